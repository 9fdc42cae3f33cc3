namespace Mellum2.Managed.Model;

/// <summary>A binary min-heap of (rank, position) in one flat array; lowest rank first, of equal ones the leftmost.</summary>
internal sealed class RankHeap
{
    private ulong[] _items = new ulong[256];
    private int _count;

    /// <summary>How many comparisons have been made in all.</summary>
    public long Comparisons { get; private set; }

    /// <summary>Empties the heap; its memory is kept.</summary>
    public void Clear() => _count = 0;

    /// <summary>Adds an entry.</summary>
    public void Push(int rank, int position)
    {
        if (_count == _items.Length)
            Array.Resize(ref _items, _count * 2);
        ulong item = ((ulong)(uint)rank << 32) | (uint)position;
        int at = _count++;
        while (at > 0)
        {
            int parent = (at - 1) >> 1;
            Comparisons++;
            if (_items[parent] <= item)
                break;
            _items[at] = _items[parent];
            at = parent;
        }
        _items[at] = item;
    }

    /// <summary>Takes the lowest entry.</summary>
    public bool TryPop(out int rank, out int position)
    {
        if (_count == 0)
        {
            rank = position = 0;
            return false;
        }
        ulong top = _items[0], item = _items[--_count];
        int at = 0;
        for (int child = 1; child < _count; child = 2 * at + 1)
        {
            if (child + 1 < _count && _items[child + 1] < _items[child])
                child++;
            Comparisons += 2;
            if (item <= _items[child])
                break;
            _items[at] = _items[child];
            at = child;
        }
        _items[at] = item;
        rank = (int)(top >> 32);
        position = (int)(uint)top;
        return true;
    }
}
