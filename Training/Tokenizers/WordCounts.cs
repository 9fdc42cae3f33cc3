using System.IO.Hashing;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>How often each word of a text occurs: a hash table over bytes, all words in one array, in the order of their first occurrence.</summary>
internal sealed class WordCounts
{
    /// <summary>Longer words (encoded data, as a rule) are left out: what they would teach is noise.</summary>
    public const int MostWordBytes = 1024;

    private readonly List<int> _starts = [0];
    private readonly List<long> _counts = [];
    private byte[] _bytes = new byte[1 << 12];
    private int[] _slots = new int[1 << 10];

    /// <summary>How many different words there are.</summary>
    public int Count => _counts.Count;

    /// <summary>The occurrences of words that were left out because they are too long.</summary>
    public long LeftOut { get; private set; }

    /// <summary>A word.</summary>
    public ReadOnlySpan<byte> Word(int index) => _bytes.AsSpan(_starts[index].._starts[index + 1]);

    /// <summary>How often a word occurs.</summary>
    public long CountOf(int index) => _counts[index];

    /// <summary>Counts a word.</summary>
    public void Add(ReadOnlySpan<byte> word, long count)
    {
        if (word.Length > MostWordBytes)
        {
            LeftOut += count;
            return;
        }
        ref int slot = ref Find(word);
        if (slot > 0)
        {
            _counts[slot - 1] += count;
            return;
        }
        int start = _starts[^1];
        if (_bytes.Length - start < word.Length)
            Array.Resize(ref _bytes, (int)Math.Min(2L * _bytes.Length, Array.MaxLength));
        word.CopyTo(_bytes.AsSpan(start));
        _starts.Add(start + word.Length);
        _counts.Add(count);
        slot = _counts.Count;
        if (2 * _counts.Count > _slots.Length)
            Grow();
    }

    /// <summary>Adds the counts of other texts.</summary>
    public void Add(WordCounts other)
    {
        LeftOut += other.LeftOut;
        for (int i = 0; i < other.Count; i++)
            Add(other.Word(i), other.CountOf(i));
    }

    private void Grow()
    {
        _slots = new int[2 * _slots.Length];
        for (int i = 0; i < _counts.Count; i++)
            Find(Word(i)) = i + 1;
    }

    /// <summary>The slot that holds a word's number plus one, or the free one where it belongs.</summary>
    private ref int Find(ReadOnlySpan<byte> word)
    {
        int mask = _slots.Length - 1, index = (int)XxHash3.HashToUInt64(word) & mask;
        while (_slots[index] > 0 && !word.SequenceEqual(Word(_slots[index] - 1)))
            index = (index + 1) & mask;
        return ref _slots[index];
    }

    /// <summary>Passes words on.</summary>
    internal readonly struct Sink(WordCounts counts) : IWordSink
    {
        public void Word(ReadOnlySpan<byte> word) => counts.Add(word, 1);
    }
}
