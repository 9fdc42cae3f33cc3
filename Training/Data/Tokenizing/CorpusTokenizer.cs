using System.Runtime.InteropServices;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>How a corpus becomes shards.</summary>
public sealed record TokenizingOptions
{
    /// <summary>Which files are read.</summary>
    public SourceOptions Sources { get; init; } = new();

    /// <summary>The token behind each document.</summary>
    public string EndToken { get; init; } = "<|endoftext|>";

    /// <summary>When a shard is full; from 1 to 2^28.</summary>
    public int TokensPerShard { get; init; } = 1 << 26;

    /// <summary>How many threads work. The shards do not depend on it.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;
}

/// <summary>What a run over a corpus found.</summary>
public sealed class CorpusReport
{
    private const int MostNamed = 20;
    private readonly List<SkippedDocument> _named = [];

    /// <summary>Documents that were taken.</summary>
    public long Documents { get; private set; }

    /// <summary>Their bytes, uncompressed UTF-8.</summary>
    public long Bytes { get; private set; }

    /// <summary>Their tokens, the end of each document among them; 0 if none were made.</summary>
    public long Tokens { get; private set; }

    /// <summary>Documents that were left out because they are no text.</summary>
    public long Skipped { get; private set; }

    /// <summary>Documents that were left out because they are empty.</summary>
    public long Empty { get; private set; }

    /// <summary>The first of those that were left out because they are no text, in order.</summary>
    public IReadOnlyList<SkippedDocument> Named => _named;

    internal void Add(long documents, long bytes, long tokens, long empty, IEnumerable<SkippedDocument> skipped, bool isStrict)
    {
        foreach (SkippedDocument one in skipped)
        {
            if (isStrict)
                throw new InvalidInputException(one.ToString());
            Skipped++;
            if (_named.Count < MostNamed)
                _named.Add(one);
        }
        Documents += documents;
        Bytes += bytes;
        Tokens += tokens;
        Empty += empty;
    }

    /// <summary>Refuses a corpus without a document.</summary>
    internal void RequireDocuments()
    {
        if (Documents > 0)
            return;
        string why = _named.Count > 0 ? $" ({Skipped:N0} left out; the first: {_named[0].ToString().TrimEnd('.')})" : "";
        throw new InvalidInputException($"The corpus has no document with text{why}; at least one is expected.");
    }
}

/// <summary>Turns a corpus into a data set of documents.</summary>
public static class CorpusTokenizer
{
    /// <summary>
    /// Encodes every document as ordinary text, puts the end token behind it and writes the shards, which appear when all of it is
    /// done. The files are the same whatever the number of threads.
    /// </summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="files">The corpus, in the order of the data set.</param>
    /// <param name="folder">The data set; must not exist or be empty.</param>
    /// <param name="options">How.</param>
    /// <param name="progress">Is told the bytes on the disk that are done.</param>
    /// <param name="cancel">Ends the work and leaves nothing behind.</param>
    /// <exception cref="InvalidInputException">A file cannot be read or written, there is no text, or the end token is unknown.</exception>
    public static CorpusReport Run(
        Tokenizer tokenizer, IReadOnlyList<SourceFile> files, string folder, TokenizingOptions options,
        IProgress<long>? progress = null, CancellationToken cancel = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.TokensPerShard, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.TokensPerShard, ShardWriter.MostIds);
        if (!tokenizer.TryGetId(options.EndToken, out int endId))
            throw new InvalidInputException($"The tokenizer has no token {options.EndToken}, which should end each document.");
        CorpusReport report = new();
        long done = 0;
        using ShardWriter writer = new(folder, VocabularyIdentity.Of(tokenizer), 0, endId, options.TokensPerShard);
        OrderedPipeline.Run(
            SourceBatch.Of(files, options.Sources),
            options.Threads,
            batch => EncodedBatch.Of(batch, tokenizer, endId),
            batch =>
            {
                report.Add(batch.Lengths.Count, batch.Bytes, batch.Ids.Count, batch.Empty, batch.Skipped, options.Sources.IsStrict);
                ReadOnlySpan<int> ids = CollectionsMarshal.AsSpan(batch.Ids);
                foreach (int length in batch.Lengths)
                {
                    writer.AddDocument(ids[..length]);
                    ids = ids[length..];
                }
                progress?.Report(done += batch.StoredBytes);
            },
            cancel);
        report.RequireDocuments();
        writer.Commit();
        return report;
    }

    private sealed class EncodedBatch
    {
        public List<int> Ids { get; } = [];

        public List<int> Lengths { get; } = [];

        public List<SkippedDocument> Skipped { get; } = [];

        public long Bytes { get; private set; }

        public long Empty { get; private set; }

        public long StoredBytes { get; private init; }

        public static EncodedBatch Of(SourceBatch source, Tokenizer tokenizer, int endId)
        {
            EncodedBatch batch = new() { StoredBytes = source.StoredBytes };
            foreach (SourceDocument document in source.Documents())
            {
                if (document.Reason != SkipReason.None)
                    batch.Skipped.Add(new SkippedDocument(document.Where, document.Reason));
                else if (document.Text.IsEmpty)
                    batch.Empty++;
                else
                {
                    int start = batch.Ids.Count;
                    tokenizer.EncodeUtf8(document.Text.Span, EncodeOptions.PlainText, batch.Ids);
                    batch.Ids.Add(endId);
                    batch.Lengths.Add(batch.Ids.Count - start);
                    batch.Bytes += document.Text.Length;
                }
            }
            return batch;
        }
    }
}
