using System.Numerics;

namespace Mellum2.Managed.Training;

/// <summary>A set of numbers from 0 to a largest one that finds its least member of at least some number: bits, and for each 64 of them one bit above.</summary>
internal sealed class CapacityIndex
{
    private readonly List<ulong[]> _levels = [];

    public CapacityIndex(int largest)
    {
        int bits = largest + 1;
        do
        {
            bits = (bits + 63) / 64;
            _levels.Add(new ulong[bits]);
        }
        while (bits > 1);
    }

    public void Add(int value)
    {
        foreach (ulong[] level in _levels)
        {
            level[value >> 6] |= 1UL << (value & 63);
            value >>= 6;
        }
    }

    public void Remove(int value)
    {
        foreach (ulong[] level in _levels)
        {
            level[value >> 6] &= ~(1UL << (value & 63));
            if (level[value >> 6] != 0)
                return;
            value >>= 6;
        }
    }

    /// <summary>The least member that is not below <paramref name="value"/>; −1 for none.</summary>
    public int AtLeast(int value)
    {
        int height = 0;
        for (; height < _levels.Count; height++)
        {
            int word = value >> 6;
            ulong left = word < _levels[height].Length ? _levels[height][word] & (ulong.MaxValue << (value & 63)) : 0;
            if (left != 0)
            {
                value = (word << 6) + BitOperations.TrailingZeroCount(left);
                break;
            }
            // Nothing in this word: one level up, behind it.
            value = word + 1;
        }
        if (height == _levels.Count)
            return -1;
        while (height-- > 0)
            value = (value << 6) + BitOperations.TrailingZeroCount(_levels[height][value]);
        return value;
    }
}
