using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Mellum2.Managed.Model;

/// <summary>
/// Remembers the ids of short words in a table of fixed size: one slot for each hash value, the newest word wins. Keys are
/// compared in full, so what the cache holds never changes a result. Not for use by two threads at once.
/// </summary>
internal sealed class WordCache
{
    /// <summary>The longest word that is kept, in bytes.</summary>
    public const int MaxWordLength = 32;

    /// <summary>The most ids that are kept for a word; with them a slot takes 128 bytes.</summary>
    public const int MaxIds = 23;

    private const int SlotBits = 14;

    private readonly Slot[] _slots = new Slot[1 << SlotBits];

    /// <summary>The key of a word of 1 to <see cref="MaxWordLength"/> bytes. Together with the length it is the word.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Key KeyOf(ReadOnlySpan<byte> word)
    {
        // Two loads that overlap cover any length from half to all of what they hold, and never read beyond the word.
        ref byte first = ref MemoryMarshal.GetReference(word);
        int length = word.Length;
        if (length >= 16)
        {
            return new Key(
                Unsafe.ReadUnaligned<ulong>(ref first), Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref first, 8)),
                Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref first, length - 16)),
                Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref first, length - 8)), length);
        }
        if (length >= 8)
        {
            return new Key(
                Unsafe.ReadUnaligned<ulong>(ref first), Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref first, length - 8)),
                0, 0, length);
        }
        ulong low = length >= 4
            ? Unsafe.ReadUnaligned<uint>(ref first) | (ulong)Unsafe.ReadUnaligned<uint>(ref Unsafe.Add(ref first, length - 4)) << 32
            : first | (ulong)Unsafe.Add(ref first, length >> 1) << 8 | (ulong)Unsafe.Add(ref first, length - 1) << 16;
        return new Key(low, 0, 0, 0, length);
    }

    /// <summary>The ids of a word, empty if it is not in the cache; valid until the next <see cref="Add"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ReadOnlySpan<int> Find(in Key key)
    {
        ref Slot slot = ref _slots[key.Hash() >> (64 - SlotBits)];
        return slot.Key.Equals(key) ? MemoryMarshal.CreateReadOnlySpan(ref slot.Ids[0], slot.Count) : default;
    }

    /// <summary>Keeps the ids of a word (at most <see cref="MaxIds"/>) in place of the word that had its slot.</summary>
    public void Add(in Key key, ReadOnlySpan<int> ids)
    {
        ref Slot slot = ref _slots[key.Hash() >> (64 - SlotBits)];
        slot.Key = key;
        slot.Count = (short)ids.Length;
        ids.CopyTo(slot.Ids);
    }

    /// <summary>A word in four machine words and its length; length 0 stands for an empty slot.</summary>
    public readonly struct Key(ulong a, ulong b, ulong c, ulong d, int length)
    {
        private readonly ulong _a = a;
        private readonly ulong _b = b;
        private readonly ulong _c = c;
        private readonly ulong _d = d;
        private readonly short _length = (short)length;

        /// <summary>Whether both are the same word.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public bool Equals(in Key other) =>
            ((_a ^ other._a) | (_b ^ other._b) | (_c ^ other._c) | (_d ^ other._d) | (uint)(_length ^ other._length)) == 0;

        /// <summary>A hash whose high bits are the best.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public ulong Hash()
        {
            ulong hash = (_a * 0x9E3779B97F4A7C15) ^ BitOperations.RotateLeft(_b * 0xC2B2AE3D27D4EB4F, 31)
                ^ BitOperations.RotateLeft(_c * 0x165667B19E3779F9, 17) ^ (_d * 0xD6E8FEB86659FD93) ^ (ulong)_length;
            return (hash ^ (hash >> 32)) * 0x9E3779B97F4A7C15;
        }
    }

    [InlineArray(MaxIds)]
    private struct IdArray
    {
        private int _first;
    }

    private struct Slot
    {
        public Key Key;
        public short Count;
        public IdArray Ids;
    }
}
