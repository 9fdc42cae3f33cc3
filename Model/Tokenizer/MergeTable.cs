using System.Numerics;
using System.Runtime.CompilerServices;

namespace Mellum2.Managed.Model;

/// <summary>The merges of a byte-pair vocabulary: (left id, right id) → (rank, merged id), an open-addressing hash table.</summary>
internal sealed class MergeTable
{
    /// <summary>The rank of a pair that does not merge: above every rank.</summary>
    public const int NoRank = int.MaxValue;

    private readonly Slot[] _slots;
    private readonly int _shift;

    /// <summary>Creates an empty table.</summary>
    /// <param name="count">How many merges will be added at most.</param>
    public MergeTable(int count)
    {
        // At most half full, so that probes stay short.
        int bits = Math.Max(4, BitOperations.Log2((uint)Math.Max(1, count)) + 2);
        _slots = new Slot[1 << bits];
        _shift = 64 - bits;
        Array.Fill(_slots, new Slot { Left = -1 });
    }

    /// <summary>Adds a merge; of a pair that is added twice the later rank counts.</summary>
    public void Add(int left, int right, int rank, int merged)
    {
        int index = Home(left, right);
        while (_slots[index].Left >= 0 && (_slots[index].Left != left || _slots[index].Right != right))
            index = (index + 1) & (_slots.Length - 1);
        _slots[index] = new Slot { Left = left, Right = right, Rank = rank, Merged = merged };
    }

    /// <summary>The rank of a pair, or <see cref="NoRank"/>.</summary>
    /// <param name="left">The left token's id.</param>
    /// <param name="right">The right token's id.</param>
    /// <param name="merged">The id of the token that the merge builds.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Rank(int left, int right, out int merged)
    {
        Slot[] slots = _slots;
        for (int index = Home(left, right); ; index = (index + 1) & (slots.Length - 1))
        {
            ref readonly Slot slot = ref slots[index];
            if (slot.Left == left && slot.Right == right)
            {
                merged = slot.Merged;
                return slot.Rank;
            }
            if (slot.Left < 0)
            {
                merged = -1;
                return NoRank;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Home(int left, int right) => (int)((((ulong)(uint)left << 32 | (uint)right) * 0x9E3779B97F4A7C15) >> _shift);

    private struct Slot
    {
        public int Left;
        public int Right;
        public int Rank;
        public int Merged;
    }
}
