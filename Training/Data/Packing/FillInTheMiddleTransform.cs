using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>How a document is rearranged.</summary>
public enum FillInTheMiddleOrder
{
    /// <summary>It is left as it is.</summary>
    None,

    /// <summary><c>&lt;fim_prefix&gt;</c> prefix <c>&lt;fim_suffix&gt;</c> suffix <c>&lt;fim_middle&gt;</c> middle.</summary>
    PrefixSuffixMiddle,

    /// <summary><c>&lt;fim_suffix&gt;</c> suffix <c>&lt;fim_prefix&gt;</c> prefix <c>&lt;fim_middle&gt;</c> middle.</summary>
    SuffixPrefixMiddle,
}

/// <summary>
/// Fill in the middle (Bavarian et al.: "Efficient training of language models to fill in the middle", 2022): a share of the documents is cut at two
/// places, uniform over the places between characters, and rearranged so that the middle comes last. The three parts are
/// encoded anew, because a cut may go through what was one token. The choice depends on (seed, document) alone.
/// </summary>
public sealed class FillInTheMiddleTransform
{
    private readonly Tokenizer _tokenizer;
    private readonly double _rate, _suffixFirstRate;
    private readonly ulong _seed;
    private readonly int _prefix, _middle, _suffix;

    /// <summary>Creates the transform.</summary>
    /// <param name="tokenizer">The tokenizer of the documents; it must have the three tokens.</param>
    /// <param name="rate">The share of documents, from 0 to 1.</param>
    /// <param name="suffixFirstRate">The share of those that get the order suffix, prefix, middle, from 0 to 1.</param>
    /// <param name="seed">The key of all choices.</param>
    /// <exception cref="InvalidInputException">The tokenizer lacks a token.</exception>
    public FillInTheMiddleTransform(Tokenizer tokenizer, double rate, double suffixFirstRate, ulong seed)
    {
        RequireShare(rate, nameof(rate));
        RequireShare(suffixFirstRate, nameof(suffixFirstRate));
        _tokenizer = tokenizer;
        _rate = rate;
        _suffixFirstRate = suffixFirstRate;
        _seed = seed;
        _prefix = Id("<fim_prefix>");
        _middle = Id("<fim_middle>");
        _suffix = Id("<fim_suffix>");
    }

    /// <summary>Adds the tokens of a document, rearranged or not, to a list.</summary>
    /// <param name="document">Its number.</param>
    /// <param name="ids">Its tokens; the last one is its end and stays the last.</param>
    /// <param name="output">The list.</param>
    /// <returns>What was done.</returns>
    public FillInTheMiddleOrder Apply(long document, ReadOnlySpan<int> ids, List<int> output)
    {
        ulong position = (ulong)document;
        if (ids.Length < 2 || Philox.Uniform(_seed, position, DataPurpose.FimApplies) >= _rate)
        {
            output.AddRange(ids);
            return FillInTheMiddleOrder.None;
        }
        byte[] text = BytesOf(ids[..^1]);
        int first = Cut(text, Philox.Uniform(_seed, position, DataPurpose.FimFirstCut));
        int second = Cut(text, Philox.Uniform(_seed, position, DataPurpose.FimSecondCut));
        ReadOnlySpan<byte> prefix = text.AsSpan(0, Math.Min(first, second));
        ReadOnlySpan<byte> middle = text.AsSpan(Math.Min(first, second)..Math.Max(first, second));
        ReadOnlySpan<byte> suffix = text.AsSpan(Math.Max(first, second));
        bool suffixFirst = Philox.Uniform(_seed, position, DataPurpose.FimOrder) < _suffixFirstRate;
        if (suffixFirst)
            Add(_suffix, suffix, output);
        Add(_prefix, prefix, output);
        if (!suffixFirst)
            Add(_suffix, suffix, output);
        Add(_middle, middle, output);
        output.Add(ids[^1]);
        return suffixFirst ? FillInTheMiddleOrder.SuffixPrefixMiddle : FillInTheMiddleOrder.PrefixSuffixMiddle;
    }

    private static void RequireShare(double value, string name)
    {
        if (!(value is >= 0 and <= 1))
            throw new ArgumentOutOfRangeException(name, value, "A share from 0 to 1 is expected.");
    }

    private int Id(string token) => _tokenizer.TryGetId(token, out int id)
        ? id
        : throw new InvalidInputException($"The tokenizer has no token {token}, which fill in the middle needs.");

    private void Add(int token, ReadOnlySpan<byte> text, List<int> output)
    {
        output.Add(token);
        _tokenizer.EncodeUtf8(text, EncodeOptions.PlainText, output);
    }

    private byte[] BytesOf(ReadOnlySpan<int> ids)
    {
        int count = 0;
        foreach (int id in ids)
            count = checked(count + _tokenizer.Bytes(id).Length);
        byte[] bytes = new byte[count];
        count = 0;
        foreach (int id in ids)
        {
            _tokenizer.Bytes(id).CopyTo(bytes.AsSpan(count));
            count += _tokenizer.Bytes(id).Length;
        }
        return bytes;
    }

    /// <summary>The byte before which a text of n characters is cut: one of n + 1 places.</summary>
    private static int Cut(ReadOnlySpan<byte> text, double uniform)
    {
        int characters = 0;
        foreach (byte b in text)
            characters += IsStart(b) ? 1 : 0;
        int place = (int)(uniform * (characters + 1L));
        if (place == characters)
            return text.Length;
        int at = -1;
        for (int seen = -1; seen < place;)
            seen += IsStart(text[++at]) ? 1 : 0;
        return at;
    }

    private static bool IsStart(byte b) => (b & 0xC0) != 0x80;
}
