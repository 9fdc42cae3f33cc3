using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Training;

/// <summary>
/// Keeps a share of a data set's documents or samples from training. Which ones depends on their number alone, so that runs with
/// different seeds are evaluated on the same text.
/// </summary>
internal static class HeldOutShare
{
    private const int TokensPerShard = 1 << 26;

    /// <summary>Writes the two parts; each has at least one item.</summary>
    /// <exception cref="InvalidInputException">There is only one item, or a part cannot be written.</exception>
    public static void Divide(TokenDataset set, double share, string train, string heldOut, CancellationToken cancel)
    {
        if (set.Count < 2)
            throw new InvalidInputException(
                $"{set.Path} has {set.Count} {(set.IsPacked ? "sample" : "document")}, of which none can be held out; more data, data.held_out 0 or data.validation is expected.");
        long first = FirstOf(set.Count);
        long kept = (first + 1) % set.Count;
        bool IsHeldOut(long item) => item == first || (item != kept && Philox.Uniform(0, (ulong)item, DataPurpose.HeldOut) < share);
        // The part that training uses appears last: when it is there, so is the other.
        Copy(set, heldOut, IsHeldOut, cancel);
        Copy(set, train, item => !IsHeldOut(item), cancel);
    }

    /// <summary>The item that is held out even if the share is too small for any.</summary>
    private static long FirstOf(long count) => (long)(Philox.Bits(0, (ulong)count, DataPurpose.HeldOut) % (ulong)count);

    private static void Copy(TokenDataset set, string target, Func<long, bool> isTaken, CancellationToken cancel)
    {
        if (Directory.Exists(target))
            return;
        using ShardWriter writer = new(target, set.Vocabulary, set.SequenceLength, set.EndId, TokensPerShard);
        List<int> lengths = [];
        for (long item = 0; item < set.Count; item++)
        {
            if (!isTaken(item))
                continue;
            cancel.ThrowIfCancellationRequested();
            if (set.IsPacked)
            {
                lengths.Clear();
                set.SegmentLengths(item, lengths);
                writer.AddSample(set.Read(item), lengths);
            }
            else
                writer.AddDocument(set.Read(item));
        }
        writer.Commit();
    }
}
