namespace Mellum2.Managed.Training;

/// <summary>A part of a document in a sample.</summary>
/// <param name="Document">The document's number.</param>
/// <param name="From">The first token.</param>
/// <param name="Length">How many tokens.</param>
internal readonly record struct PackedPiece(int Document, int From, int Length);

/// <summary>Which pieces each sample has.</summary>
internal sealed class PackingPlan
{
    private readonly PackedPiece[] _pieces;
    private readonly int[] _starts;

    public PackingPlan(PackedPiece[] pieces, int[] starts) => (_pieces, _starts) = (pieces, starts);

    /// <summary>How many samples there are.</summary>
    public int Count => _starts.Length - 1;

    /// <summary>The pieces of a sample, in order.</summary>
    public ReadOnlySpan<PackedPiece> this[int sample] => _pieces.AsSpan(_starts[sample].._starts[sample + 1]);
}

/// <summary>
/// Best-fit packing (Ding et al.: "Fewer truncations improve language modeling", ICML 2024): documents are cut only where they are longer than a
/// sample. What has the full length is a sample of its own; the rest goes, longest first, into the sample that has the
/// least room of those that have enough, of equal ones the one that got its last piece latest; of equally long documents the first goes first.
/// O(n log L) for n documents.
/// </summary>
internal static class BestFitPacker
{
    /// <summary>Plans the samples.</summary>
    /// <param name="lengths">The tokens of each document.</param>
    /// <param name="room">The tokens of a sample.</param>
    public static PackingPlan Plan(ReadOnlySpan<int> lengths, int room)
    {
        int[] byLength = SortRests(lengths, room);
        int[] binOf = new int[byLength.Length];
        int bins = Assign(lengths, byLength, binOf, room);

        long full = 0;
        foreach (int length in lengths)
            full += length / room;
        PackedPiece[] pieces = new PackedPiece[checked((int)(full + byLength.Length))];
        int[] starts = new int[checked((int)full + bins + 1)];
        int at = 0;
        for (int document = 0; document < lengths.Length; document++)
        {
            for (int from = 0; from <= lengths[document] - room; from += room)
            {
                starts[at] = at;
                pieces[at++] = new PackedPiece(document, from, room);
            }
        }
        // A counting sort by sample keeps the pieces of each in the order in which they came.
        Span<int> next = starts.AsSpan((int)full);
        foreach (int bin in binOf)
            next[bin + 1]++;
        next[0] = at;
        for (int bin = 0; bin < bins; bin++)
            next[bin + 1] += next[bin];
        int[] cursor = next.ToArray();
        for (int i = 0; i < byLength.Length; i++)
        {
            int document = byLength[i], rest = lengths[document] % room;
            pieces[cursor[binOf[i]]++] = new PackedPiece(document, lengths[document] - rest, rest);
        }
        return new PackingPlan(pieces, starts);
    }

    /// <summary>The documents that leave a rest, by its length, longest first, equal ones in order.</summary>
    private static int[] SortRests(ReadOnlySpan<int> lengths, int room)
    {
        int[] starts = new int[room + 1];
        int count = 0;
        foreach (int length in lengths)
        {
            if (length % room == 0)
                continue;
            starts[room - length % room]++;
            count++;
        }
        int sum = 0;
        for (int i = 0; i <= room; i++)
            (starts[i], sum) = (sum, sum + starts[i]);
        int[] sorted = new int[count];
        for (int document = 0; document < lengths.Length; document++)
            if (lengths[document] % room is > 0 and int rest)
                sorted[starts[room - rest]++] = document;
        return sorted;
    }

    private static int Assign(ReadOnlySpan<int> lengths, int[] byLength, int[] binOf, int room)
    {
        CapacityIndex capacities = new(room);
        int[] top = new int[room + 1];
        Array.Fill(top, -1);
        List<int> below = [];
        for (int i = 0; i < byLength.Length; i++)
        {
            int rest = lengths[byLength[i]] % room;
            int capacity = capacities.AtLeast(rest);
            int bin;
            if (capacity < 0)
            {
                bin = below.Count;
                below.Add(-1);
                capacity = room;
            }
            else
            {
                bin = top[capacity];
                top[capacity] = below[bin];
                if (top[capacity] < 0)
                    capacities.Remove(capacity);
            }
            binOf[i] = bin;
            int left = capacity - rest;
            if (left == 0)
                continue;
            below[bin] = top[left];
            top[left] = bin;
            capacities.Add(left);
        }
        return below.Count;
    }
}
