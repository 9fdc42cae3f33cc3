using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>How a tokenizer is trained.</summary>
public sealed record TokenizerTrainingOptions
{
    /// <summary>The largest vocabulary.</summary>
    public const int MostTokens = 1 << 20;

    /// <summary>How many tokens there are to be, special ones and bytes among them.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>The tokens with the lowest ids.</summary>
    public IReadOnlyList<SpecialToken> SpecialTokens { get; init; } = SpecialToken.OfMellum;

    /// <summary>How often a pair must occur to become a token.</summary>
    public long LeastCount { get; init; } = 2;

    /// <summary>Which files are read.</summary>
    public SourceOptions Sources { get; init; } = new();

    /// <summary>How many threads count words. The tokenizer does not depend on it.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;
}

/// <summary>How far training is.</summary>
/// <param name="IsMerging">Whether the corpus has been read, and tokens are counted from now on; before that, bytes on the disk are.</param>
/// <param name="Done">What is done.</param>
/// <param name="Total">What is to be done.</param>
public readonly record struct TokenizerTrainingProgress(bool IsMerging, long Done, long Total);

/// <summary>What training gave.</summary>
/// <param name="Corpus">What was read.</param>
/// <param name="VocabularySize">How many tokens there are; fewer than asked for if no pair was frequent enough.</param>
/// <param name="Merges">How many merges there are.</param>
/// <param name="Words">How many different words the corpus has.</param>
/// <param name="LeftOutWords">Occurrences of words that were too long to learn from.</param>
/// <param name="BytesPerToken">The bytes of a token, on average over the words of the corpus.</param>
public sealed record TokenizerTrainingReport(
    CorpusReport Corpus, int VocabularySize, int Merges, int Words, long LeftOutWords, double BytesPerToken);

/// <summary>Trains a byte-level BPE tokenizer of Mellum's kind on a corpus.</summary>
public static class TokenizerTrainer
{
    /// <summary>The name of the file in the folder.</summary>
    public const string FileName = "tokenizer.json";

    /// <summary>
    /// Trains and writes a <c>tokenizer.json</c>. The corpus is ordinary text: special tokens in it are not looked for. The file is the
    /// same whatever the number of threads.
    /// </summary>
    /// <param name="files">The corpus.</param>
    /// <param name="folder">The folder for the file; must not exist or be empty.</param>
    /// <param name="options">How.</param>
    /// <param name="progress">Is told how far it is.</param>
    /// <param name="cancel">Ends the work and leaves nothing behind.</param>
    /// <exception cref="InvalidInputException">A file cannot be read or written, there is no text, or the vocabulary is too small.</exception>
    public static TokenizerTrainingReport Run(
        IReadOnlyList<SourceFile> files, string folder, TokenizerTrainingOptions options,
        IProgress<TokenizerTrainingProgress>? progress = null, CancellationToken cancel = default)
    {
        SpecialToken.Require(options.SpecialTokens);
        int least = options.SpecialTokens.Count + 256;
        if (options.VocabularySize < least || options.VocabularySize > TokenizerTrainingOptions.MostTokens)
        {
            throw new InvalidInputException(
                $"A vocabulary of {options.VocabularySize} tokens cannot be trained; {least} (256 bytes and {options.SpecialTokens.Count} special tokens) to {TokenizerTrainingOptions.MostTokens} are expected.");
        }
        using StagedFolder staged = new(folder);
        CorpusReport corpus = new();
        WordCounts words = Count(files, options, corpus, progress, cancel);
        BytePairs pairs = BytePairTrainer.Train(
            words,
            [.. options.SpecialTokens.Select(token => token.Content)],
            options.VocabularySize,
            options.LeastCount,
            tokens => progress?.Report(new TokenizerTrainingProgress(true, tokens, options.VocabularySize)),
            cancel);
        byte[] json = TokenizerJsonWriter.Write(pairs, options.SpecialTokens);
        // What cannot be loaded again must not be left behind.
        Tokenizer.Parse(json, FileName);
        using (AtomicFile file = new(Path.Combine(staged.Path, FileName), json.Length))
        {
            file.Write(json);
            file.Commit();
        }
        staged.Commit();
        long bytes = 0;
        for (int i = 0; i < words.Count; i++)
            bytes += words.Word(i).Length * words.CountOf(i);
        return new TokenizerTrainingReport(
            corpus, pairs.Pieces.Count, pairs.Merges.Count, words.Count, words.LeftOut, pairs.Tokens == 0 ? 0 : (double)bytes / pairs.Tokens);
    }

    private static WordCounts Count(
        IReadOnlyList<SourceFile> files, TokenizerTrainingOptions options, CorpusReport corpus,
        IProgress<TokenizerTrainingProgress>? progress, CancellationToken cancel)
    {
        PreTokenizer splitter = new([new DigitsSplitter(individual: true)], addPrefixSpace: false, useRegex: true);
        WordCounts words = new();
        long total = files.Sum(file => file.ByteLength), done = 0;
        OrderedPipeline.Run(
            SourceBatch.Of(files, options.Sources),
            options.Threads,
            batch => CountedBatch.Of(batch, splitter),
            batch =>
            {
                corpus.Add(batch.Documents, batch.Bytes, 0, batch.Empty, batch.Skipped, options.Sources.IsStrict);
                words.Add(batch.Words);
                progress?.Report(new TokenizerTrainingProgress(false, done += batch.StoredBytes, total));
            },
            cancel);
        corpus.RequireDocuments();
        return words;
    }

    private sealed class CountedBatch
    {
        public WordCounts Words { get; } = new();

        public List<SkippedDocument> Skipped { get; } = [];

        public long Documents { get; private set; }

        public long Bytes { get; private set; }

        public long Empty { get; private set; }

        public long StoredBytes { get; private init; }

        public static CountedBatch Of(SourceBatch source, PreTokenizer splitter)
        {
            CountedBatch batch = new() { StoredBytes = source.StoredBytes };
            WordCounts.Sink sink = new(batch.Words);
            byte[] prefixed = [];
            foreach (SourceDocument document in source.Documents())
            {
                if (document.Reason != SkipReason.None)
                    batch.Skipped.Add(new SkippedDocument(document.Where, document.Reason));
                else if (document.Text.IsEmpty)
                    batch.Empty++;
                else
                {
                    splitter.Split(document.Text.Span, ref prefixed, ref sink);
                    batch.Documents++;
                    batch.Bytes += document.Text.Length;
                }
            }
            return batch;
        }
    }
}
