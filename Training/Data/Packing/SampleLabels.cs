namespace Mellum2.Managed.Training;

/// <summary>How the positions of a sample's tokens are counted.</summary>
public enum PositionMode
{
    /// <summary>From 0 on in each document.</summary>
    Restart,

    /// <summary>From 0 on through the whole sample.</summary>
    RunOn,
}

/// <summary>What a model is to predict from a packed sample: never across the end of a document.</summary>
public static class SampleLabels
{
    /// <summary>The label of a token from which nothing is to be predicted.</summary>
    public const int Masked = -100;

    /// <summary>
    /// Fills labels and positions. Within a segment of n tokens t: label[i] = t[i+1] for i &lt; n−1, MTP label[i] = t[i+2] for i &lt; n−2;
    /// all others, and those of the room behind the last segment, are <see cref="Masked"/>.
    /// </summary>
    /// <param name="ids">The tokens (L), with the room behind the last segment.</param>
    /// <param name="segmentLengths">The tokens of each document or part of one; their sum is at most L.</param>
    /// <param name="mode">How positions are counted. Those of the room behind the last segment go on as if it were one more.</param>
    /// <param name="labels">The next token (L).</param>
    /// <param name="mtpLabels">The token after the next one (L): what depth 1 of multi-token prediction predicts in the row.</param>
    /// <param name="positions">The positions (L).</param>
    public static void Fill(
        ReadOnlySpan<int> ids, ReadOnlySpan<int> segmentLengths, PositionMode mode,
        Span<int> labels, Span<int> mtpLabels, Span<int> positions)
    {
        labels.Fill(Masked);
        mtpLabels.Fill(Masked);
        int start = 0;
        foreach (int length in segmentLengths)
        {
            if (length > 1)
                ids.Slice(start + 1, length - 1).CopyTo(labels[start..]);
            if (length > 2)
                ids.Slice(start + 2, length - 2).CopyTo(mtpLabels[start..]);
            Count(positions.Slice(start, length), mode == PositionMode.RunOn ? start : 0);
            start += length;
        }
        Count(positions[start..ids.Length], mode == PositionMode.RunOn ? start : 0);
    }

    /// <summary>The least number of different tokens of a sample: the given share of its length, 82 at 8,192, at least 1.</summary>
    /// <param name="sequenceLength">The length of a sample.</param>
    public static int LeastUnique(int sequenceLength) => Math.Max(1, (int)Math.Round(82.0 * sequenceLength / 8192));

    private static void Count(Span<int> positions, int first)
    {
        for (int i = 0; i < positions.Length; i++)
            positions[i] = first + i;
    }
}
