namespace Mellum2.Managed.Training;

/// <summary>Samples for one micro-batch, row after row: each array is (rows × sequence length).</summary>
public sealed class SampleBatch
{
    private readonly List<int> _segmentLengths = [];
    private readonly List<int> _segmentStarts = [];
    private readonly int[] _sources;

    internal SampleBatch(int capacity, int sequenceLength, int endId)
    {
        SequenceLength = sequenceLength;
        Capacity = capacity;
        PaddingId = endId;
        int count = checked(capacity * sequenceLength);
        (Ids, Labels, MtpLabels, Positions) = (new int[count], new int[count], new int[count], new int[count]);
        _sources = new int[capacity];
    }

    /// <summary>The tokens of a row.</summary>
    public int SequenceLength { get; }

    /// <summary>How many rows there can be.</summary>
    public int Capacity { get; }

    /// <summary>How many rows there are: fewer than <see cref="Capacity"/> only at the end of the plan.</summary>
    public int Rows { get; private set; }

    /// <summary>The tokens; the room behind a row's last document has the end of a document.</summary>
    public int[] Ids { get; }

    /// <summary>The next token, or <see cref="SampleLabels.Masked"/>.</summary>
    public int[] Labels { get; }

    /// <summary>The token after the next one, or <see cref="SampleLabels.Masked"/>.</summary>
    public int[] MtpLabels { get; }

    /// <summary>The positions.</summary>
    public int[] Positions { get; }

    /// <summary>The state of the stream behind this batch.</summary>
    public StreamState State { get; private set; } = new(0, [], []);

    private int PaddingId { get; }

    /// <summary>The lengths of a row's documents and parts of documents; attention stays inside each. What is left of the row is room.</summary>
    /// <param name="row">The row.</param>
    public ReadOnlySpan<int> SegmentLengths(int row) =>
        System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_segmentLengths)[_segmentStarts[row].._segmentStarts[row + 1]];

    /// <summary>Which source a row comes from.</summary>
    /// <param name="row">The row.</param>
    public int SourceOf(int row) => _sources[row];

    internal void Clear()
    {
        Rows = 0;
        _segmentLengths.Clear();
        _segmentStarts.Clear();
        _segmentStarts.Add(0);
    }

    internal void Add(TokenDataset set, long sample, int source, PositionMode mode)
    {
        int row = Rows++, start = row * SequenceLength, length = set.LengthOf(sample);
        Span<int> ids = Ids.AsSpan(start, SequenceLength);
        set.Read(sample, 0, ids[..length]);
        ids[length..].Fill(PaddingId);
        set.SegmentLengths(sample, _segmentLengths);
        _segmentStarts.Add(_segmentLengths.Count);
        _sources[row] = source;
        SampleLabels.Fill(
            ids, SegmentLengths(row), mode, Labels.AsSpan(start, SequenceLength), MtpLabels.AsSpan(start, SequenceLength),
            Positions.AsSpan(start, SequenceLength));
    }

    internal void End(StreamState state) => State = state;
}
