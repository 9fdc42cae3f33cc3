namespace Mellum2.Managed.Model;

/// <summary>
/// Byte-pair encoding of one word (Sennrich et al. 2016): of all neighbours the pair of the lowest rank merges first, of equal
/// ones the leftmost, until no pair has a rank. Not for use by two threads at once.
/// </summary>
internal sealed class BytePairMerger(MergeTable merges)
{
    /// <summary>Up to this many symbols a scan for the lowest rank is faster than a heap.</summary>
    public const int ScanLimit = 48;

    private int[] _ranks = [];
    private int[] _merged = [];
    private int[] _next = [];
    private int[] _previous = [];
    private readonly RankHeap _heap = new();

    /// <summary>How many comparisons the heap has made in all: the measure of work on long words.</summary>
    public long HeapComparisons => _heap.Comparisons;

    /// <summary>Merges symbols in place.</summary>
    /// <param name="ids">The ids of the word's bytes.</param>
    /// <returns>How many ids are left, at the start of <paramref name="ids"/>.</returns>
    public int Merge(Span<int> ids) => ids.Length <= ScanLimit ? MergeByScan(ids) : MergeByHeap(ids);

    /// <summary>O(n²): scans for the lowest rank before each merge.</summary>
    public int MergeByScan(Span<int> ids)
    {
        int count = ids.Length;
        Span<int> ranks = count <= ScanLimit ? stackalloc int[ScanLimit] : new int[count];
        Span<int> merged = count <= ScanLimit ? stackalloc int[ScanLimit] : new int[count];
        for (int i = 0; i + 1 < count; i++)
            ranks[i] = merges.Rank(ids[i], ids[i + 1], out merged[i]);
        while (count > 1)
        {
            int lowest = MergeTable.NoRank, at = -1;
            for (int i = 0; i < count - 1; i++)
            {
                if (ranks[i] >= lowest)
                    continue;
                lowest = ranks[i];
                at = i;
            }
            if (at < 0)
                break;
            ids[at] = merged[at];
            count--;
            for (int i = at + 1; i < count; i++)
            {
                ids[i] = ids[i + 1];
                ranks[i] = ranks[i + 1];
                merged[i] = merged[i + 1];
            }
            if (at + 1 < count)
                ranks[at] = merges.Rank(ids[at], ids[at + 1], out merged[at]);
            if (at > 0)
                ranks[at - 1] = merges.Rank(ids[at - 1], ids[at], out merged[at - 1]);
        }
        return count;
    }

    /// <summary>O(n log n): a linked list of symbols and a heap of pairs by (rank, position).</summary>
    public int MergeByHeap(Span<int> ids)
    {
        int count = ids.Length;
        Reserve(count);
        _heap.Clear();
        for (int i = 0; i < count; i++)
        {
            _previous[i] = i - 1;
            _next[i] = i + 1;
            Rate(ids, i, count);
        }
        while (_heap.TryPop(out int rank, out int at))
        {
            // Entries are not removed when a neighbour changes; one whose rank is no longer its pair's is stale.
            if (_ranks[at] != rank)
                continue;
            int gone = _next[at], after = _next[gone];
            ids[at] = _merged[at];
            _ranks[gone] = MergeTable.NoRank;
            _next[at] = after;
            if (after < count)
                _previous[after] = at;
            Rate(ids, at, count);
            if (_previous[at] >= 0)
                Rate(ids, _previous[at], count);
        }
        int left = 0;
        for (int i = 0; i < count; i = _next[i])
            ids[left++] = ids[i];
        return left;
    }

    private void Rate(ReadOnlySpan<int> ids, int at, int count)
    {
        int next = _next[at];
        _ranks[at] = next < count ? merges.Rank(ids[at], ids[next], out _merged[at]) : MergeTable.NoRank;
        if (_ranks[at] != MergeTable.NoRank)
            _heap.Push(_ranks[at], at);
    }

    private void Reserve(int count)
    {
        if (_ranks.Length >= count)
            return;
        int size = count + count / 2;
        _ranks = new int[size];
        _merged = new int[size];
        _next = new int[size];
        _previous = new int[size];
    }
}
