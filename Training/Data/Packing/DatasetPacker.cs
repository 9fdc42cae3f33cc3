using System.Runtime.InteropServices;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Training;

/// <summary>How documents become samples.</summary>
public sealed record PackingOptions
{
    /// <summary>The tokens of a sample.</summary>
    public int SequenceLength { get; init; } = 8192;

    /// <summary>Samples with fewer different tokens are dropped; null for <see cref="SampleLabels.LeastUnique"/>.</summary>
    public int? LeastUnique { get; init; }

    /// <summary>Rearranges documents; null leaves them as they are.</summary>
    public FillInTheMiddleTransform? FillInTheMiddle { get; init; }

    /// <summary>When a shard is full; from 1 to 2^28.</summary>
    public int TokensPerShard { get; init; } = 1 << 26;

    /// <summary>How many threads work. The shards do not depend on it.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;
}

/// <summary>What packing did.</summary>
public sealed class PackingReport
{
    /// <summary>Documents.</summary>
    public long Documents { get; internal set; }

    /// <summary>Those of them that were rearranged to prefix, suffix, middle.</summary>
    public long PrefixSuffixMiddle { get; internal set; }

    /// <summary>Those of them that were rearranged to suffix, prefix, middle.</summary>
    public long SuffixPrefixMiddle { get; internal set; }

    /// <summary>Samples that were written.</summary>
    public long Samples { get; internal set; }

    /// <summary>Their tokens.</summary>
    public long Tokens { get; internal set; }

    /// <summary>The documents and parts of documents in them.</summary>
    public long Segments { get; internal set; }

    /// <summary>Samples that were dropped because they have too few different tokens.</summary>
    public long DroppedSamples { get; internal set; }

    /// <summary>Their tokens.</summary>
    public long DroppedTokens { get; internal set; }
}

/// <summary>Packs a data set of documents into one of samples.</summary>
public static class DatasetPacker
{
    /// <summary>The longest sample.</summary>
    public const int MostSequenceLength = 1 << 20;

    private const int DocumentsAtOnce = 1024;
    private const int TokensAtOnce = 1 << 19;

    /// <summary>Packs and writes the samples, which appear when all of it is done and are the same whatever the number of threads.</summary>
    /// <param name="documents">The documents.</param>
    /// <param name="folder">The new data set; must not exist or be empty.</param>
    /// <param name="options">How.</param>
    /// <param name="progress">Is told the samples that are done and how many there are.</param>
    /// <param name="cancel">Ends the work and leaves nothing behind.</param>
    /// <exception cref="InvalidInputException">A file is damaged or cannot be written, or no sample is left.</exception>
    public static PackingReport Run(
        TokenDataset documents, string folder, PackingOptions options,
        IProgress<(long Done, long Total)>? progress = null, CancellationToken cancel = default)
    {
        int room = options.SequenceLength;
        ArgumentOutOfRangeException.ThrowIfLessThan(room, 2, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(room, MostSequenceLength, nameof(options));
        if (documents.IsPacked)
            throw new InvalidInputException($"{documents.Path} holds samples; a data set of documents is expected.");
        if (documents.Count > Array.MaxLength)
            throw new InvalidInputException($"{documents.Path} has {documents.Count:N0} documents; at most {Array.MaxLength:N0} can be packed at once.");
        PackingReport report = new() { Documents = documents.Count };
        PackingPlan plan = BestFitPacker.Plan(Measure(documents, options, report, cancel), room);
        int leastUnique = options.LeastUnique ?? SampleLabels.LeastUnique(room), done = 0;
        int atOnce = Math.Max(1, TokensAtOnce / room);
        using ShardWriter writer = new(folder, documents.Vocabulary, room, documents.EndId, options.TokensPerShard);
        OrderedPipeline.Run(
            Starts(plan.Count, atOnce),
            options.Threads,
            first => Fill(documents, options.FillInTheMiddle, plan, first, Math.Min(first + atOnce, plan.Count), leastUnique),
            samples =>
            {
                foreach ((int[] ids, int[] segments, bool isDropped) in samples)
                    Take(writer, report, ids, segments, isDropped);
                progress?.Report((done += samples.Count, plan.Count));
            },
            cancel);
        if (report.Samples == 0)
        {
            throw new InvalidInputException(
                $"{documents.Path} gives no sample with at least {leastUnique} different tokens ({report.DroppedSamples:N0} have fewer).");
        }
        writer.Commit();
        return report;
    }

    private static void Take(ShardWriter writer, PackingReport report, int[] ids, int[] segments, bool isDropped)
    {
        if (isDropped)
        {
            report.DroppedSamples++;
            report.DroppedTokens += ids.Length;
            return;
        }
        writer.AddSample(ids, segments);
        report.Samples++;
        report.Tokens += ids.Length;
        report.Segments += segments.Length;
    }

    private static IEnumerable<int> Starts(int count, int step)
    {
        for (long start = 0; start < count; start += step)
            yield return (int)start;
    }

    /// <summary>The length of each document, rearranged or not.</summary>
    private static int[] Measure(TokenDataset documents, PackingOptions options, PackingReport report, CancellationToken cancel)
    {
        int[] lengths = new int[documents.Count];
        if (options.FillInTheMiddle is null)
        {
            for (int document = 0; document < lengths.Length; document++)
                lengths[document] = documents.LengthOf(document);
            return lengths;
        }
        OrderedPipeline.Run(
            Starts(lengths.Length, DocumentsAtOnce),
            options.Threads,
            first =>
            {
                DocumentReader reader = new(documents, options.FillInTheMiddle);
                int end = Math.Min(first + DocumentsAtOnce, lengths.Length), prefixFirst = 0, suffixFirst = 0;
                for (int document = first; document < end; document++)
                {
                    lengths[document] = reader.Read(document).Length;
                    prefixFirst += reader.Order == FillInTheMiddleOrder.PrefixSuffixMiddle ? 1 : 0;
                    suffixFirst += reader.Order == FillInTheMiddleOrder.SuffixPrefixMiddle ? 1 : 0;
                }
                return (prefixFirst, suffixFirst);
            },
            counts =>
            {
                report.PrefixSuffixMiddle += counts.prefixFirst;
                report.SuffixPrefixMiddle += counts.suffixFirst;
            },
            cancel);
        return lengths;
    }

    private static List<(int[] Ids, int[] Segments, bool IsDropped)> Fill(
        TokenDataset documents, FillInTheMiddleTransform? transform, PackingPlan plan, int first, int end, int leastUnique)
    {
        DocumentReader reader = new(documents, transform);
        List<(int[], int[], bool)> samples = [];
        HashSet<int> unique = [];
        for (int sample = first; sample < end; sample++)
        {
            ReadOnlySpan<PackedPiece> pieces = plan[sample];
            int[] segments = new int[pieces.Length];
            int length = 0;
            for (int i = 0; i < pieces.Length; i++)
                length += segments[i] = pieces[i].Length;
            int[] ids = new int[length];
            int at = 0;
            foreach (PackedPiece piece in pieces)
            {
                reader.Read(piece, ids.AsSpan(at, piece.Length));
                at += piece.Length;
            }
            unique.Clear();
            for (int i = 0; i < ids.Length && unique.Count < leastUnique; i++)
                unique.Add(ids[i]);
            samples.Add((ids, segments, unique.Count < leastUnique));
        }
        return samples;
    }

    /// <summary>Reads documents, rearranged or not; the one that was rearranged last is kept, because its parts follow each other.</summary>
    private sealed class DocumentReader(TokenDataset documents, FillInTheMiddleTransform? transform)
    {
        private readonly List<int> _ids = [];
        private long _current = -1;

        public FillInTheMiddleOrder Order { get; private set; }

        public ReadOnlySpan<int> Read(long document)
        {
            if (document != _current)
            {
                _ids.Clear();
                Order = transform!.Apply(document, documents.Read(document), _ids);
                _current = document;
            }
            return CollectionsMarshal.AsSpan(_ids);
        }

        public void Read(PackedPiece piece, Span<int> target)
        {
            if (transform is null)
                documents.Read(piece.Document, piece.From, target);
            else
                Read(piece.Document).Slice(piece.From, piece.Length).CopyTo(target);
        }
    }
}
