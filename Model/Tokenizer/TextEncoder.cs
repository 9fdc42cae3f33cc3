using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Unicode;

namespace Mellum2.Managed.Model;

/// <summary>
/// Encodes texts one after the other with memory of its own: buffers that grow to the longest text and a cache of words.
/// After warm-up it allocates nothing, unless text beyond U+0300 has to be normalized. Not for use by two threads at once.
/// </summary>
internal sealed class TextEncoder(TokenizerParts parts, bool useCache = true)
{
    // Buffers that one huge text has grown beyond this are given back to the collector after it.
    private const int RetainedBytes = 64 << 20;

    private readonly PreTokenizer _preTokenizer = parts.PreTokenizer;
    private readonly BytePairMerger _merger = new(parts.Merges);
    private readonly int[] _byteIds = parts.ByteIds;
    private readonly WordCache? _cache = useCache ? new WordCache() : null;
    private readonly TextEncoderBuffers _buffers = new();
    private int[] _ids = new int[1024];
    private int _count;

    /// <summary>Encodes UTF-16; a lone surrogate counts as U+FFFD. The result is valid until the next call.</summary>
    public ReadOnlySpan<int> Encode(ReadOnlySpan<char> text, EncodeOptions options)
    {
        long most = 3L * text.Length;
        if (most > Array.MaxLength)
            throw new ArgumentException($"A text of {text.Length} characters is too long to encode at once.", nameof(text));
        byte[] utf8 = TextEncoderBuffers.Reserve(ref _buffers.Utf8, (int)most);
        Utf8.FromUtf16(text, utf8, out _, out int length);
        return EncodeValid(utf8.AsSpan(0, length), options);
    }

    /// <summary>Encodes UTF-8; each maximal invalid part counts as U+FFFD. The result is valid until the next call.</summary>
    public ReadOnlySpan<int> Encode(ReadOnlySpan<byte> text, EncodeOptions options)
    {
        if (Utf8.IsValid(text))
            return EncodeValid(text, options);
        return Encode(Encoding.UTF8.GetString(text), options);
    }

    /// <summary>Lets go of buffers that an unusually long text has left behind.</summary>
    public void Trim()
    {
        _buffers.Trim(RetainedBytes);
        if (_ids.Length > RetainedBytes / sizeof(int))
            _ids = new int[1024];
    }

    private void Word(ReadOnlySpan<byte> word)
    {
        if (_ids.Length - _count < word.Length)
            Array.Resize(ref _ids, Math.Max(_ids.Length * 2, _count + word.Length));
        if (word.Length == 1)
        {
            _ids[_count++] = _byteIds[word[0]];
            return;
        }
        if (_cache is null || word.Length > WordCache.MaxWordLength)
        {
            EncodeWord(word);
            return;
        }
        WordCache.Key key = WordCache.KeyOf(word);
        ReadOnlySpan<int> known = _cache.Find(key);
        if (known.Length > 0)
        {
            Span<int> room = _ids.AsSpan(_count);
            for (int i = 0; i < known.Length; i++)
                room[i] = known[i];
            _count += known.Length;
            return;
        }
        int start = _count;
        EncodeWord(word);
        if (_count - start <= WordCache.MaxIds)
            _cache.Add(key, _ids.AsSpan(start.._count));
    }

    private void EncodeWord(ReadOnlySpan<byte> word)
    {
        if (parts.WholeWords is { } whole && whole.TryGetValue(word, out int id))
        {
            _ids[_count++] = id;
            return;
        }
        Span<int> symbols = _ids.AsSpan(_count, word.Length);
        for (int i = 0; i < word.Length; i++)
            symbols[i] = _byteIds[word[i]];
        _count += _merger.Merge(symbols);
    }

    private ReadOnlySpan<int> EncodeValid(ReadOnlySpan<byte> text, EncodeOptions options)
    {
        _count = 0;
        if (options.PostProcess)
            Append(parts.Prefix);
        if (options.AddedTokens == AddedTokenMode.None)
            EncodeWords(Normalize(text));
        else
            EncodeBetween(text, parts.RawTokens, options.AddedTokens, isRaw: true);
        if (options.PostProcess)
            Append(parts.Suffix);
        return _ids.AsSpan(0, _count);
    }

    /// <summary>Encodes what stands between added tokens: first those of the raw text, inside its stretches those of the normalized.</summary>
    private void EncodeBetween(ReadOnlySpan<byte> text, AddedTokenMatcher matcher, AddedTokenMode mode, bool isRaw)
    {
        int position = 0, taken = 0;
        while (true)
        {
            AddedToken? token = matcher.Find(
                text, ref position, mode == AddedTokenMode.NonSpecial, out int start, out int end);
            if (start > taken && isRaw)
                EncodeBetween(Normalize(text[taken..start]), parts.NormalizedTokens, mode, isRaw: false);
            else if (start > taken)
                EncodeWords(text[taken..start]);
            if (token is null)
                return;
            Append([token.Id]);
            taken = end;
        }
    }

    private ReadOnlySpan<byte> Normalize(ReadOnlySpan<byte> text) =>
        parts.UseNfc ? NfcNormalizer.Normalize(text, ref _buffers.Normalized) : text;

    private void EncodeWords(ReadOnlySpan<byte> text)
    {
        var sink = new Sink(this);
        _preTokenizer.Split(text, ref _buffers.Prefixed, ref sink);
    }

    private void Append(ReadOnlySpan<int> ids)
    {
        if (_ids.Length - _count < ids.Length)
            Array.Resize(ref _ids, Math.Max(_ids.Length * 2, _count + ids.Length));
        ids.CopyTo(_ids.AsSpan(_count));
        _count += ids.Length;
    }

    // A struct, so that the scanning loop is compiled for it and calls it directly.
    private readonly struct Sink(TextEncoder encoder) : IWordSink
    {
        public void Word(ReadOnlySpan<byte> word) => encoder.Word(word);
    }
}

/// <summary>The scratch memory of an encoder.</summary>
internal sealed class TextEncoderBuffers
{
    /// <summary>A text converted from UTF-16.</summary>
    public byte[] Utf8 = [];

    /// <summary>A normalized stretch.</summary>
    public byte[] Normalized = [];

    /// <summary>A piece with a space before it.</summary>
    public byte[] Prefixed = [];

    /// <summary>A buffer of at least a length, replaced where it is too small.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte[] Reserve(ref byte[] buffer, int length) =>
        buffer.Length >= length ? buffer : buffer = new byte[length];

    /// <summary>Gives back buffers beyond a size.</summary>
    public void Trim(int most)
    {
        if (Utf8.Length > most)
            Utf8 = [];
        if (Normalized.Length > most)
            Normalized = [];
        if (Prefixed.Length > most)
            Prefixed = [];
    }
}
