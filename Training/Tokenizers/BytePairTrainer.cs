using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>A vocabulary and the merges that made it.</summary>
/// <param name="Pieces">The tokens by id: special ones, the symbols of the bytes, then what was merged.</param>
/// <param name="Merges">The ids of the two halves, in the order of their rank.</param>
/// <param name="Tokens">The tokens that the words have in the end, with their counts.</param>
internal sealed record BytePairs(IReadOnlyList<string> Pieces, IReadOnlyList<(int Left, int Right)> Merges, long Tokens);

/// <summary>
/// Byte-pair encoding (Sennrich, Haddow, Birch: "Neural machine translation of rare words with subword units", ACL 2016) over counted words: again
/// and again the most frequent pair of neighbours becomes one token. Of equally frequent pairs the one with the lower id on the
/// left goes first, then the one with the lower id on the right. Counts are kept up to date where a merge changes something, and a
/// heap gives the next pair, so that the work is near-linear in the words and merges.
/// </summary>
internal sealed class BytePairTrainer
{
    private readonly int[] _symbols;
    private readonly int[] _starts;
    private readonly int[] _lengths;
    private readonly long[] _counts;
    private readonly Dictionary<ulong, Pair> _pairs = [];
    private readonly PriorityQueue<ulong, (long Count, ulong Pair)> _queue = new(new MostFrequentFirst());
    private readonly List<ulong> _grown = [];
    private readonly List<string> _pieces;
    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);
    private readonly int _special;

    private BytePairTrainer(WordCounts words, IReadOnlyList<string> special)
    {
        _special = special.Count;
        _pieces = [.. special, .. SymbolsInOrder()];
        for (int id = 0; id < _pieces.Count; id++)
            _ids.Add(_pieces[id], id);
        int[] byteIds = new int[256];
        for (int b = 0; b < 256; b++)
            byteIds[b] = _ids[ByteSymbols.SymbolOf((byte)b).ToString()];

        _starts = new int[words.Count + 1];
        _lengths = new int[words.Count];
        _counts = new long[words.Count];
        for (int word = 0; word < words.Count; word++)
        {
            _counts[word] = words.CountOf(word);
            _lengths[word] = words.Word(word).Length;
            _starts[word + 1] = checked(_starts[word] + _lengths[word]);
        }
        _symbols = new int[_starts[^1]];
        for (int word = 0; word < words.Count; word++)
        {
            ReadOnlySpan<byte> bytes = words.Word(word);
            for (int i = 0; i < bytes.Length; i++)
                _symbols[_starts[word] + i] = byteIds[bytes[i]];
            for (int i = 1; i < bytes.Length; i++)
                Grow(byteIds[bytes[i - 1]], byteIds[bytes[i]], word);
        }
        QueueGrown();
    }

    /// <summary>Trains.</summary>
    /// <param name="words">The words.</param>
    /// <param name="special">The tokens with the lowest ids; no merge may make one of them.</param>
    /// <param name="size">How many tokens there are to be; fewer if no pair is frequent enough.</param>
    /// <param name="leastCount">How often a pair must occur.</param>
    /// <param name="progress">Is told how many tokens there are.</param>
    /// <param name="cancel">Ends the work.</param>
    public static BytePairs Train(
        WordCounts words, IReadOnlyList<string> special, int size, long leastCount, Action<int>? progress = null, CancellationToken cancel = default)
    {
        BytePairTrainer trainer = new(words, special);
        List<(int, int)> merges = [];
        while (trainer._pieces.Count < size && trainer.TryTakeMostFrequent(leastCount, out ulong key, out Pair? pair))
        {
            cancel.ThrowIfCancellationRequested();
            (int left, int right) = ((int)(key >> 32), (int)(uint)key);
            trainer._pairs.Remove(key);
            string piece = trainer._pieces[left] + trainer._pieces[right];
            if (trainer._ids.TryGetValue(piece, out int id))
            {
                if (id < trainer._special)
                    continue;
            }
            else
            {
                id = trainer._pieces.Count;
                trainer._pieces.Add(piece);
                trainer._ids.Add(piece, id);
            }
            merges.Add((left, right));
            foreach (int word in pair!.Words)
                trainer.Merge(word, left, right, id);
            trainer.QueueGrown();
            progress?.Invoke(trainer._pieces.Count);
        }
        long tokens = 0;
        for (int word = 0; word < trainer._counts.Length; word++)
            tokens += trainer._counts[word] * trainer._lengths[word];
        return new BytePairs(trainer._pieces, merges, tokens);
    }

    /// <summary>The symbols of the 256 bytes in the order of their characters.</summary>
    internal static IEnumerable<string> SymbolsInOrder() =>
        Enumerable.Range(0, 256).Select(b => ByteSymbols.SymbolOf((byte)b)).Order().Select(symbol => symbol.ToString());

    private bool TryTakeMostFrequent(long leastCount, out ulong key, out Pair? pair)
    {
        while (_queue.TryDequeue(out key, out (long Count, ulong Pair) entry))
        {
            if (!_pairs.TryGetValue(key, out pair))
                continue;
            if (pair.Count == entry.Count)
                return pair.Count >= leastCount;
            // Merges have lowered the count since; where they have raised it, there is another entry.
            if (pair.Count > 0 && pair.Count < entry.Count)
                _queue.Enqueue(key, (pair.Count, key));
        }
        pair = null;
        return false;
    }

    /// <summary>Merges a pair in a word, from the left, and moves the counts of the neighbours that this changes.</summary>
    private void Merge(int word, int left, int right, int id)
    {
        Span<int> symbols = _symbols.AsSpan(_starts[word], _lengths[word]);
        int written = 0;
        bool follows = false;
        for (int i = 0; i < symbols.Length;)
        {
            bool merges = i + 1 < symbols.Length && symbols[i] == left && symbols[i + 1] == right;
            // What stands before i is not yet overwritten, or by itself.
            if (i > 0 && (merges || follows))
                Shrink(symbols[i - 1], symbols[i], word);
            int symbol = merges ? id : symbols[i];
            i += merges ? 2 : 1;
            if (written > 0 && (merges || follows))
                Grow(symbols[written - 1], symbol, word);
            symbols[written++] = symbol;
            follows = merges;
        }
        _lengths[word] = written;
    }

    private void Shrink(int left, int right, int word)
    {
        if (_pairs.TryGetValue(Key(left, right), out Pair? pair))
            pair.Count -= _counts[word];
    }

    private void Grow(int left, int right, int word)
    {
        ulong key = Key(left, right);
        if (!_pairs.TryGetValue(key, out Pair? pair))
            _pairs.Add(key, pair = new Pair());
        pair.Count += _counts[word];
        if (pair.Words.Count == 0 || pair.Words[^1] != word)
            pair.Words.Add(word);
        if (!pair.HasGrown)
            _grown.Add(key);
        pair.HasGrown = true;
    }

    private void QueueGrown()
    {
        foreach (ulong key in _grown)
        {
            if (!_pairs.TryGetValue(key, out Pair? pair))
                continue;
            pair.HasGrown = false;
            if (pair.Count > 0)
                _queue.Enqueue(key, (pair.Count, key));
        }
        _grown.Clear();
    }

    private static ulong Key(int left, int right) => (ulong)(uint)left << 32 | (uint)right;

    /// <summary>How often two tokens are neighbours, and in which words: those that had the pair once, some of them may have it no more.</summary>
    private sealed class Pair
    {
        public long Count;
        public readonly List<int> Words = [];
        public bool HasGrown;
    }

    private sealed class MostFrequentFirst : IComparer<(long Count, ulong Pair)>
    {
        public int Compare((long Count, ulong Pair) x, (long Count, ulong Pair) y)
        {
            int byCount = y.Count.CompareTo(x.Count);
            return byCount != 0 ? byCount : x.Pair.CompareTo(y.Pair);
        }
    }
}
