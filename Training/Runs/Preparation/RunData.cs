using System.IO.Hashing;
using System.Text;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>
/// The packed samples of a run. What is no packed data set is tokenised and packed into a cache, under names that tell how, so that a
/// run which goes on, and others with the same data, find it. A folder of the cache appears when it is whole.
/// </summary>
internal sealed class RunData : IDisposable
{
    private const int UsualLength = 256;

    // What is larger is verified block by block while it is read.
    private const long MostBytesVerified = 1L << 30;

    // Below this many documents a share of them is too coarse, and samples are held out instead.
    private const int LeastDocuments = 100;

    private readonly RunConfiguration _run;
    private readonly Tokenizer _tokenizer;
    private readonly VocabularyIdentity _vocabulary;
    private readonly string _cache;
    private readonly ITrainingObserver? _observer;
    private readonly CancellationToken _cancel;
    private readonly List<TokenDataset> _sources = [], _validation = [];

    private RunData(RunConfiguration run, Tokenizer tokenizer, string cache, ITrainingObserver? observer, CancellationToken cancel)
    {
        (_run, _tokenizer, _cache, _observer, _cancel) = (run, tokenizer, cache, observer, cancel);
        _vocabulary = VocabularyIdentity.Of(tokenizer);
    }

    /// <summary>The samples to train on, by source.</summary>
    public IReadOnlyList<TokenDataset> Sources => _sources;

    /// <summary>The samples to evaluate on; empty if there are none.</summary>
    public IReadOnlyList<TokenDataset> Validation => _validation;

    /// <summary>The tokens of a sample.</summary>
    public int Length { get; private set; }

    /// <summary>Prepares and opens the data of a run.</summary>
    /// <exception cref="InvalidInputException">A source is missing, damaged, empty or of another vocabulary or length.</exception>
    public static RunData Open(RunConfiguration run, Tokenizer tokenizer, string cache, ITrainingObserver? observer, CancellationToken cancel)
    {
        RunData data = new(run, tokenizer, cache, observer, cancel);
        try
        {
            data.Length = run.Data.Length ?? data.PackedLength() ?? UsualLength;
            foreach (SourceSettings source in run.Data.Sources)
                data.Add(source);
            if (run.Data.Validation is { } own)
                data._validation.Add(data.Samples(own, "validation"));
            return data;
        }
        catch
        {
            data.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _sources.ForEach(set => set.Dispose());
        _validation.ForEach(set => set.Dispose());
    }

    /// <summary>Whether a path is a data set and not a folder of texts.</summary>
    private static bool IsDataset(string path) => File.Exists(Path.Combine(path, ShardWriter.FileName(0)));

    private static TokenDataset? OpenDataset(SourceSettings source)
    {
        if (!source.Paths.Any(IsDataset))
            return null;
        if (source.Paths.Count > 1)
            throw new InvalidInputException($"The source {source.Name} has {source.Paths.Count} paths, but a data set stands alone; give each a source of its own.");
        return TokenDataset.Open(source.Paths[0]);
    }

    private int? PackedLength()
    {
        foreach (SourceSettings source in _run.Data.Sources)
        {
            using TokenDataset? set = OpenDataset(source);
            if (set is { IsPacked: true })
                return set.SequenceLength;
        }
        return null;
    }

    private void Add(SourceSettings source)
    {
        if (_run.Data.HeldOut == 0)
        {
            _sources.Add(Samples(source, null));
            return;
        }
        string key = SamplesKey(source) + $"-{_run.Data.HeldOut:R}";
        string train = InCache(source, "train", key), heldOut = InCache(source, "held-out", key);
        if (!Directory.Exists(train) || !Directory.Exists(heldOut))
            Divide(source, train, heldOut);
        _sources.Add(OpenSamples(train));
        _validation.Add(OpenSamples(heldOut));
    }

    private void Divide(SourceSettings source, string train, string heldOut)
    {
        using TokenDataset? given = OpenDataset(source);
        if (given is { IsPacked: true })
        {
            Require(given, source.Paths[0]);
            HeldOutShare.Divide(given, _run.Data.HeldOut, train, heldOut, _cancel);
            return;
        }
        using TokenDataset documents = given is null ? Documents(source) : TokenDataset.Open(source.Paths[0]);
        Require(documents, documents.Path);
        if (documents.Count < LeastDocuments)
        {
            using TokenDataset samples = Pack(source, documents);
            HeldOutShare.Divide(samples, _run.Data.HeldOut, train, heldOut, _cancel);
            return;
        }
        string trainDocuments = train + "-documents", heldOutDocuments = heldOut + "-documents";
        Remove(trainDocuments);
        Remove(heldOutDocuments);
        HeldOutShare.Divide(documents, _run.Data.HeldOut, trainDocuments, heldOutDocuments, _cancel);
        // Evaluations read text as it is, whatever training does with it.
        Pack(source with { FillInTheMiddle = 0 }, heldOutDocuments, heldOut);
        Pack(source, trainDocuments, train);
        Remove(trainDocuments);
        Remove(heldOutDocuments);
    }

    /// <summary>The samples of a whole source.</summary>
    private TokenDataset Samples(SourceSettings source, string? label)
    {
        using TokenDataset? given = OpenDataset(source);
        if (given is { IsPacked: true })
            return OpenSamples(source.Paths[0]);
        source = label is null ? source : source with { Name = label };
        string target = InCache(source, "samples", SamplesKey(source));
        if (Directory.Exists(target))
            return OpenSamples(target);
        using TokenDataset documents = given is null ? Documents(source) : TokenDataset.Open(source.Paths[0]);
        Require(documents, documents.Path);
        return Pack(source, documents);
    }

    private TokenDataset Pack(SourceSettings source, TokenDataset documents)
    {
        string target = InCache(source, "samples", SamplesKey(source));
        if (!Directory.Exists(target))
            Pack(source, documents.Path, target);
        return OpenSamples(target);
    }

    private void Pack(SourceSettings source, string documents, string target)
    {
        using TokenDataset set = TokenDataset.Open(documents);
        string what = $"Packing {source.Name}";
        PackingOptions options = new()
        {
            SequenceLength = Length,
            LeastUnique = _run.Data.LeastUnique,
            FillInTheMiddle = source.FillInTheMiddle == 0 ? null : new FillInTheMiddleTransform(_tokenizer, source.FillInTheMiddle, source.SuffixFirst, _run.Seed),
            Threads = Threads,
        };
        PackingReport report = DatasetPacker.Run(
            set, target, options, new Report<(long Done, long Total)>(value => _observer?.Preparing(what, value.Done, value.Total)), _cancel);
        if (report.DroppedSamples > 0)
            _observer?.Note($"{source.Name}: {report.DroppedSamples:N0} samples with too few different tokens were dropped, {report.Samples:N0} stay.");
    }

    private TokenDataset Documents(SourceSettings source)
    {
        string target = InCache(source, "documents", DocumentsKey(source));
        if (!Directory.Exists(target))
        {
            SourceOptions options = new() { Extensions = source.Extensions, TextField = source.TextField, IsStrict = source.Strict };
            IReadOnlyList<SourceFile> files = SourceFile.List(source.Paths, options);
            double total = files.Sum(file => file.ByteLength) / 1e6;
            string what = $"Tokenising {source.Name}";
            CorpusReport report = CorpusTokenizer.Run(
                _tokenizer, files, target, new TokenizingOptions { Sources = options, EndToken = _run.Data.EndToken, Threads = Threads },
                new Report<long>(done => _observer?.Preparing(what, done / 1e6, total)), _cancel);
            foreach (SkippedDocument skipped in report.Named)
                _observer?.Note($"Left out: {skipped}");
            if (report.Skipped > report.Named.Count)
                _observer?.Note($"Left out: {report.Skipped - report.Named.Count:N0} more files that are no text.");
        }
        return TokenDataset.Open(target);
    }

    private int Threads => _run.Threads == 0 ? Environment.ProcessorCount : _run.Threads;

    private TokenDataset OpenSamples(string path)
    {
        TokenDataset set = TokenDataset.Open(path);
        try
        {
            Require(set, path);
            if (set.SequenceLength != Length)
                throw new InvalidInputException($"{path} has samples of {set.SequenceLength:N0} tokens, but data.length is {Length:N0}.");
            return set;
        }
        catch
        {
            set.Dispose();
            throw;
        }
    }

    private void Require(TokenDataset set, string path)
    {
        _vocabulary.Require(set.Vocabulary, path);
        if (set.ByteLength <= MostBytesVerified)
            set.Verify(_cancel);
    }

    private string DocumentsKey(SourceSettings source) => string.Join(
        '\n', [$"{_vocabulary.Hash:x16}", _run.Data.EndToken, source.TextField, $"{source.Strict}", .. source.Extensions, "paths", .. source.Paths]);

    private string SamplesKey(SourceSettings source)
    {
        string fim = source.FillInTheMiddle == 0 ? "" : FormattableString.Invariant($"{source.FillInTheMiddle:R} {source.SuffixFirst:R} {_run.Seed}");
        return string.Join('\n', [DocumentsKey(source), "samples", $"{Length} {_run.Data.LeastUnique}", fim]);
    }

    private string InCache(SourceSettings source, string kind, string key)
    {
        string name = string.Concat(source.Name.Select(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' ? c : '_')).TrimStart('.');
        ulong hash = XxHash3.HashToUInt64(Encoding.UTF8.GetBytes(kind + "\n" + key));
        return Path.Combine(_cache, $"{(name.Length == 0 ? "source" : name[..Math.Min(name.Length, 40)])}-{kind}-{hash:x16}");
    }

    private static void Remove(string folder)
    {
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
    }

    private sealed class Report<T>(Action<T> action) : IProgress<T>
    {
        void IProgress<T>.Report(T value) => action(value);
    }
}
