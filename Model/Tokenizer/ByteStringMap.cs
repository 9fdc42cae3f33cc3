using System.Numerics;

namespace Mellum2.Managed.Model;

/// <summary>Byte strings → ids, looked up by span; open addressing over the tokens of a vocabulary.</summary>
internal sealed class ByteStringMap
{
    private readonly int[] _slots;
    private readonly List<byte[]> _keys = [];
    private readonly List<int> _ids = [];

    /// <summary>Creates an empty map for at most <paramref name="count"/> entries.</summary>
    public ByteStringMap(int count) =>
        _slots = new int[1 << (BitOperations.Log2((uint)Math.Max(4, count)) + 2)];

    /// <summary>Adds an entry whose key is not there yet.</summary>
    public void Add(byte[] key, int id)
    {
        _keys.Add(key);
        _ids.Add(id);
        // Slots hold the entry's number plus one; zero is free.
        _slots[Find(key, free: true)] = _keys.Count;
    }

    /// <summary>Looks a key up.</summary>
    public bool TryGetValue(ReadOnlySpan<byte> key, out int id)
    {
        int entry = _slots[Find(key, free: false)];
        id = entry > 0 ? _ids[entry - 1] : -1;
        return entry > 0;
    }

    private int Find(ReadOnlySpan<byte> key, bool free)
    {
        uint hash = 2166136261;
        foreach (byte b in key)
            hash = (hash ^ b) * 16777619;
        int mask = _slots.Length - 1, index = (int)((hash ^ (hash >> 15)) & (uint)mask);
        while (_slots[index] > 0 && (free || !key.SequenceEqual(_keys[_slots[index] - 1])))
            index = (index + 1) & mask;
        return index;
    }
}
