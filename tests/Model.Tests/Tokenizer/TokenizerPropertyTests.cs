using System.Text;
using System.Text.RegularExpressions;
using FsCheck.Xunit;
using Xunit;

namespace Mellum2.Managed.Model.Tests;

/// <summary>What holds for any text and any ids.</summary>
[Properties(Arbitrary = [typeof(TextArbitrary)], MaxTest = 400)]
public class TokenizerPropertyTests
{
    private const string Mellum = "mellum-2048", Qwen = "qwen-style-600", Llama = "llama3-style-600", Starcoder = "starcoder-style-600";

    private static readonly Dictionary<string, Tokenizer> s_tokenizers =
        new[] { Mellum, Qwen, Llama, Starcoder }.ToDictionary(name => name, TokenizerGoldenFiles.Load);

    // Encoders that live through a whole run, so that their caches hold words of the texts before.
    private static readonly Dictionary<string, TextEncoder> s_cached =
        s_tokenizers.ToDictionary(pair => pair.Key, pair => new TextEncoder(pair.Value.Parts));

    [Property]
    public void DecodingUndoesEncoding(string text)
    {
        string expected = WithoutLoneSurrogates(text);
        foreach (Tokenizer tokenizer in new[] { s_tokenizers[Mellum], s_tokenizers[Llama] })
        {
            foreach (AddedTokenMode mode in Enum.GetValues<AddedTokenMode>())
                Assert.Equal(expected, tokenizer.Decode(tokenizer.Encode(text, new EncodeOptions(mode))));
        }
        string normalized = NfcNormalizer.Normalize(expected);
        Assert.Equal(normalized, s_tokenizers[Qwen].Decode(s_tokenizers[Qwen].Encode(text)));
    }

    [Property]
    public void WordsCoverTheText(string text)
    {
        Assert.Equal(WithoutLoneSurrogates(text), string.Concat(s_tokenizers[Mellum].PreTokenize(text)));
        Assert.Equal(WithoutLoneSurrogates(text), string.Concat(s_tokenizers[Llama].PreTokenize(text)));
    }

    /// <summary>In the basic plane, where a scalar value is one UTF-16 unit, the runtime's regexes are a second implementation.</summary>
    [Property]
    public void WordsAreTheRegexMatches(string text)
    {
        // The runtime does not know that U+017F is an s without case.
        string basic = string.Concat(text.Where(c => !char.IsSurrogate(c) && c != 'ſ'));
        Assert.Equal(Matches(Gpt2Splitter.Pattern, Regex.Split(basic, @"(\p{N})")), s_tokenizers[Mellum].PreTokenize(basic));
        Assert.Equal(Matches(QwenSplitter.Llama3Pattern, [basic]), s_tokenizers[Llama].PreTokenize(basic));
        string normalized = NfcNormalizer.Normalize(basic);
        // Some compatibility ideographs leave the plane in NFC.
        if (!normalized.Any(char.IsSurrogate))
            Assert.Equal(Matches(QwenSplitter.QwenPattern, [normalized]), s_tokenizers[Qwen].PreTokenize(basic));
    }

    [Property]
    public void CacheChangesNothing(string text)
    {
        foreach ((string name, Tokenizer tokenizer) in s_tokenizers)
        {
            var uncached = new TextEncoder(tokenizer.Parts, useCache: false);
            Assert.Equal(
                uncached.Encode(text, EncodeOptions.Prompt).ToArray(), s_cached[name].Encode(text, EncodeOptions.Prompt).ToArray());
        }
    }

    [Property]
    public void Utf8IsEncodedLikeUtf16(string text, byte[] bytes)
    {
        byte[] mixed = [.. Encoding.UTF8.GetBytes(text), .. bytes, .. Encoding.UTF8.GetBytes(text)];
        foreach (Tokenizer tokenizer in s_tokenizers.Values)
        {
            Assert.Equal(
                tokenizer.Encode(Encoding.UTF8.GetString(mixed), EncodeOptions.Prompt),
                tokenizer.EncodeUtf8(mixed, EncodeOptions.Prompt));
        }
    }

    [Property]
    public void HeapMergesLikeTheScan(ushort[] seed)
    {
        foreach (Tokenizer tokenizer in s_tokenizers.Values)
        {
            // Few different bytes, so that many pairs merge and equal ranks meet.
            int[] symbols = [.. seed.SelectMany(s => new[] { s % 7, s % 5 }).Select(i => tokenizer.Parts.ByteIds[" ntaeri"[i]])];
            int[] byScan = [.. symbols], byHeap = [.. symbols];
            var merger = new BytePairMerger(tokenizer.Parts.Merges);
            int scanned = merger.MergeByScan(byScan), heaped = merger.MergeByHeap(byHeap);
            Assert.Equal(byScan[..scanned], byHeap[..heaped]);
        }
    }

    [Property]
    public void StreamEqualsTheWhole(int[] seed, byte[] cuts, bool skipSpecial)
    {
        foreach (Tokenizer tokenizer in s_tokenizers.Values)
        {
            // Ids beyond the vocabulary and below zero stand for nothing.
            int[] ids = [.. seed.Select(s => s % (tokenizer.VocabularySize + 3))];
            AssertStreams(tokenizer, ids, cuts, skipSpecial);
            int[] bytes = [.. seed.Select(s => tokenizer.Parts.ByteIds[(s * 37) & 0xFF])];
            AssertStreams(tokenizer, bytes, cuts, skipSpecial);
        }
    }

    [Property]
    public void StreamOfTextIsTheText(string text)
    {
        Tokenizer tokenizer = s_tokenizers[Mellum];
        int[] bytes = [.. Encoding.UTF8.GetBytes(text).Select(b => tokenizer.Parts.ByteIds[b])];
        Assert.Equal(WithoutLoneSurrogates(text), Streaming.Decode(tokenizer.CreateStream(), bytes, _ => 1));
    }

    private static void AssertStreams(Tokenizer tokenizer, int[] ids, byte[] cuts, bool skipSpecial)
    {
        string whole = tokenizer.Decode(ids, skipSpecial);
        TokenStream stream = tokenizer.CreateStream(skipSpecial);
        Assert.Equal(whole, Streaming.Decode(stream, ids, _ => 1));
        Assert.Equal(whole, Streaming.Decode(stream, ids, at => 1 + (cuts.Length > 0 ? cuts[at % cuts.Length] % 9 : 0)));
    }

    private static string WithoutLoneSurrogates(string text) => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));

    private static IEnumerable<string> Matches(string pattern, IEnumerable<string> pieces) => pieces
        .SelectMany(piece => Regex.Matches(piece, pattern, RegexOptions.CultureInvariant)).Select(match => match.Value);
}
