using System.Numerics;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Training;

/// <summary>
/// A random order of 0 … n − 1 that takes no memory: a Feistel network with Philox as its round function over the least even number
/// of bits that holds n, applied again until the result is below n (cycle walking; Black and Rogaway: "Ciphers with arbitrary finite
/// domains", 2002). It is a bijection for every n and key.
/// </summary>
public readonly struct FeistelPermutation
{
    private const int Rounds = 6;
    private readonly ulong _key;
    private readonly int _halfBits;

    /// <summary>Creates the permutation.</summary>
    /// <param name="count">n, from 1 to 2^62.</param>
    /// <param name="key">Which order.</param>
    public FeistelPermutation(long count, ulong key)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, 1L << 62);
        Count = count;
        _key = key;
        int bits = 64 - BitOperations.LeadingZeroCount((ulong)(count - 1));
        _halfBits = Math.Max(1, (bits + 1) / 2);
    }

    /// <summary>n.</summary>
    public long Count { get; }

    /// <summary>The number at a place of the order.</summary>
    /// <param name="index">The place, from 0 to n − 1.</param>
    public long this[long index]
    {
        get
        {
            if ((ulong)index >= (ulong)Count)
                throw new ArgumentOutOfRangeException(nameof(index), index, $"A place below {Count} is expected.");
            ulong value = (ulong)index;
            do
                value = Permute(value);
            while (value >= (ulong)Count);
            return (long)value;
        }
    }

    private ulong Permute(ulong value)
    {
        uint mask = (uint)((1UL << _halfBits) - 1);
        uint left = (uint)(value >> _halfBits), right = (uint)value & mask;
        for (uint round = 0; round < Rounds; round++)
            (left, right) = (right, left ^ ((uint)Philox.Bits(_key, right, DataPurpose.Permutation + round) & mask));
        return (ulong)left << _halfBits | right;
    }
}
