using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

/// <summary>
/// A byte-level BPE tokenizer as a Hugging Face <c>tokenizer.json</c> describes it. Text becomes ids in this order: added tokens
/// are cut out, the rest is normalized and split into words, and in each word byte pairs merge, lowest rank first. Safe for use
/// by many threads at once. The result of a call depends on nothing but its arguments.
/// </summary>
public sealed class Tokenizer
{
    private readonly TokenizerParts _parts;
    private readonly TextEncoder?[] _encoders = new TextEncoder?[Environment.ProcessorCount];

    private Tokenizer(TokenizerParts parts) => _parts = parts;

    /// <summary>The highest id + 1. Ids below it may be unused.</summary>
    public int VocabularySize => _parts.Vocabulary.Size;

    /// <summary>The ids of special tokens, rising.</summary>
    public IReadOnlyList<int> SpecialIds => _parts.Vocabulary.SpecialIds;

    /// <summary>Reads a <c>tokenizer.json</c>.</summary>
    /// <param name="path">The file, or the folder of a checkpoint that holds it.</param>
    /// <exception cref="InvalidInputException">The file cannot be read, is malformed, or needs what is not implemented.</exception>
    public static Tokenizer Load(string path)
    {
        if (Directory.Exists(path))
            path = Path.Combine(path, "tokenizer.json");
        byte[] json;
        try
        {
            json = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"{path}: the tokenizer file cannot be read ({e.Message.TrimEnd('.')}).", e);
        }
        return Parse(json, path);
    }

    /// <summary>Reads the content of a <c>tokenizer.json</c>.</summary>
    /// <param name="json">The content, UTF-8.</param>
    /// <param name="name">What messages call it.</param>
    /// <exception cref="InvalidInputException">The content is malformed, or needs what is not implemented.</exception>
    public static Tokenizer Parse(ReadOnlyMemory<byte> json, string name) => new(TokenizerFile.Read(json, name));

    /// <summary>Encodes text. A lone surrogate counts as U+FFFD.</summary>
    /// <param name="text">The text.</param>
    /// <param name="options">Which added tokens are found and whether the post-processor adds tokens.</param>
    /// <returns>The ids.</returns>
    public int[] Encode(ReadOnlySpan<char> text, EncodeOptions options = default)
    {
        TextEncoder encoder = Rent();
        int[] ids = encoder.Encode(text, options).ToArray();
        Return(encoder);
        return ids;
    }

    /// <summary>Encodes text and adds its ids to a list. Allocates nothing once list and tokenizer have grown to such texts.</summary>
    /// <param name="text">The text. A lone surrogate counts as U+FFFD.</param>
    /// <param name="options">Which added tokens are found and whether the post-processor adds tokens.</param>
    /// <param name="ids">The list.</param>
    public void Encode(ReadOnlySpan<char> text, EncodeOptions options, List<int> ids)
    {
        TextEncoder encoder = Rent();
        AddRange(ids, encoder.Encode(text, options));
        Return(encoder);
    }

    /// <summary>Encodes UTF-8 and adds its ids to a list. Allocates nothing once list and tokenizer have grown to such texts.</summary>
    /// <param name="utf8">The text. Each maximal invalid part counts as U+FFFD.</param>
    /// <param name="options">Which added tokens are found and whether the post-processor adds tokens.</param>
    /// <param name="ids">The list.</param>
    public void EncodeUtf8(ReadOnlySpan<byte> utf8, EncodeOptions options, List<int> ids)
    {
        TextEncoder encoder = Rent();
        AddRange(ids, encoder.Encode(utf8, options));
        Return(encoder);
    }

    /// <summary>Encodes UTF-8.</summary>
    /// <param name="utf8">The text. Each maximal invalid part counts as U+FFFD.</param>
    /// <param name="options">Which added tokens are found and whether the post-processor adds tokens.</param>
    /// <returns>The ids.</returns>
    public int[] EncodeUtf8(ReadOnlySpan<byte> utf8, EncodeOptions options = default)
    {
        TextEncoder encoder = Rent();
        int[] ids = encoder.Encode(utf8, options).ToArray();
        Return(encoder);
        return ids;
    }

    /// <summary>
    /// Decodes ids: joins the bytes of their tokens and reads them as UTF-8, each maximal invalid part as U+FFFD. Ids that no
    /// token has stand for nothing.
    /// </summary>
    /// <param name="ids">The ids.</param>
    /// <param name="skipSpecial">Whether special tokens are left out.</param>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecial = false)
    {
        long length = 0;
        foreach (int id in ids)
            length += Bytes(id).Length;
        if (length > Array.MaxLength)
            throw new ArgumentException($"{ids.Length} ids are too many to decode at once.", nameof(ids));
        byte[] bytes = ArrayPool<byte>.Shared.Rent((int)length);
        int count = 0;
        foreach (int id in ids)
        {
            if (skipSpecial && IsSpecial(id))
                continue;
            ReadOnlySpan<byte> own = Bytes(id);
            own.CopyTo(bytes.AsSpan(count));
            count += own.Length;
        }
        string text = Encoding.UTF8.GetString(bytes, 0, count);
        ArrayPool<byte>.Shared.Return(bytes);
        return text;
    }

    /// <summary>Creates a decoder that takes one id after the other.</summary>
    /// <param name="skipSpecial">Whether special tokens are left out.</param>
    public TokenStream CreateStream(bool skipSpecial = false) => new(_parts.Vocabulary, skipSpecial);

    /// <summary>The words that merging works inside: after normalization, with prefix spaces. Added tokens are not looked for.</summary>
    /// <param name="text">The text. A lone surrogate counts as U+FFFD.</param>
    public IReadOnlyList<string> PreTokenize(ReadOnlySpan<char> text)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text.ToArray()), normalized = [], prefixed = [];
        var words = new WordList([]);
        _parts.PreTokenizer.Split(
            _parts.UseNfc ? NfcNormalizer.Normalize(utf8, ref normalized) : utf8, ref prefixed, ref words);
        return words.Words;
    }

    /// <summary>The id of a token.</summary>
    /// <param name="piece">The token as the file writes it: added tokens as they are, all others in GPT-2's byte symbols.</param>
    /// <param name="id">Its id.</param>
    /// <returns>Whether there is such a token.</returns>
    public bool TryGetId(string piece, out int id) => _parts.Vocabulary.TryGetId(piece, out id);

    /// <summary>The token of an id as the file writes it, or null where no token has the id.</summary>
    public string? Piece(int id) => _parts.Vocabulary.Piece(id);

    /// <summary>The bytes that a token decodes to; none where no token has the id. They need not be valid UTF-8 on their own.</summary>
    public ReadOnlySpan<byte> Bytes(int id) => _parts.Vocabulary.Bytes(id);

    /// <summary>Whether an id is that of a special token.</summary>
    public bool IsSpecial(int id) => _parts.Vocabulary.IsSpecial(id);

    /// <summary>What the file says.</summary>
    internal TokenizerParts Parts => _parts;

    private static void AddRange(List<int> list, ReadOnlySpan<int> ids)
    {
        int start = list.Count;
        CollectionsMarshal.SetCount(list, start + ids.Length);
        ids.CopyTo(CollectionsMarshal.AsSpan(list)[start..]);
    }

    private TextEncoder Rent()
    {
        for (int i = 0; i < _encoders.Length; i++)
        {
            if (Interlocked.Exchange(ref _encoders[i], null) is { } encoder)
                return encoder;
        }
        return new TextEncoder(_parts);
    }

    private void Return(TextEncoder encoder)
    {
        encoder.Trim();
        for (int i = 0; i < _encoders.Length; i++)
        {
            if (Interlocked.CompareExchange(ref _encoders[i], encoder, null) is null)
                return;
        }
    }

    private readonly struct WordList(List<string> words) : IWordSink
    {
        public List<string> Words => words;

        public void Word(ReadOnlySpan<byte> word) => words.Add(Encoding.UTF8.GetString(word));
    }
}
