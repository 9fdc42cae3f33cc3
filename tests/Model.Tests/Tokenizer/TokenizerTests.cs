using System.Text;
using Mellum2.Managed.Tests;
using Xunit;

namespace Mellum2.Managed.Model.Tests;

/// <summary>Work, memory and look-ups.</summary>
public class TokenizerTests
{
    private readonly Tokenizer _tokenizer = TokenizerGoldenFiles.Load("mellum-2048");

    public static TheoryData<string> WordAlphabets => ["etaoinshrdlucmf", "a", "ab", "ĂȘĖ漢𠜎"];

    [Theory, MemberData(nameof(WordAlphabets))]
    public void WorkOnAMegabyteWordIsNearlyLinear(string alphabet)
    {
        long quarter = HeapComparisons(alphabet, 1 << 18), whole = HeapComparisons(alphabet, 1 << 20);
        // n log n makes 4.5 times as many of four times the length, a quadratic method 16 times.
        Assert.InRange(whole, quarter, 5 * quarter);
    }

    [Fact]
    public void EncodesAMegabyteWord()
    {
        string word = Word("etaoinshrdlucmf", 1 << 20);
        int[] ids = _tokenizer.Encode(word);
        Assert.True(ids.Length < word.Length);
        Assert.Equal(word, _tokenizer.Decode(ids));
    }

    [Fact]
    public void EncodingIntoAListAllocatesNothing()
    {
        // The measured texts are shorter than the one that warms up and of other words, which the cache does not hold. The
        // least counts: a collection in the middle counts the rest of the thread's buffer.
        string[] texts = [Text("Wahl", "abcdefg", 400), Text("Füße", "tuvwxyz", 100), Text("Maß", "hijklmn", 100), Text("Öl", "opqrsab", 100)];
        byte[][] utf8 = [.. texts.Select(Encoding.UTF8.GetBytes)];
        var ids = new List<int>();
        foreach (AddedTokenMode mode in Enum.GetValues<AddedTokenMode>())
        {
            Tokenizer tokenizer = TokenizerGoldenFiles.Load("mellum-2048");
            var options = new EncodeOptions(mode, PostProcess: true);
            long least = long.MaxValue;
            for (int round = 0; round < texts.Length; round++)
            {
                long before = GC.GetAllocatedBytesForCurrentThread();
                ids.Clear();
                tokenizer.Encode(texts[round], options, ids);
                tokenizer.EncodeUtf8(utf8[round], options, ids);
                if (round > 0)
                    least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
            }
            Assert.Equal(0, least);
        }

        static string Text(string name, string alphabet, int lines) => string.Concat(Enumerable.Range(0, lines).Select(
            i => $"    public int {name}{Word(alphabet, 9, seed: i)} {{ get; set; }} // {i}e-5 😀 <think>\n")) + Word(alphabet, 25 * lines);
    }

    [Fact]
    public void StreamingAllocatesNothing()
    {
        int[] ids = _tokenizer.Encode("Straße 😀👩‍💻 \u0928\u093F int x = 42;");
        TokenStream stream = _tokenizer.CreateStream(skipSpecial: true);
        byte[] utf8 = new byte[stream.MaxBytesPerToken];
        int written = 0;
        Assert.Equal(0, Allocations.Least(() =>
        {
            foreach (int id in ids)
                written += stream.Append(id, utf8);
            written += stream.Flush(utf8);
        }));
        Assert.True(written > 0);
    }

    [Fact]
    public void HalfAnEmojiIsHeldBack()
    {
        byte[] emoji = Encoding.UTF8.GetBytes("😀");
        TokenStream stream = _tokenizer.CreateStream();
        byte[] utf8 = new byte[stream.MaxBytesPerToken];
        for (int i = 0; i < 3; i++)
            Assert.Equal(0, stream.Append(_tokenizer.Parts.ByteIds[emoji[i]], utf8));
        Assert.Equal(4, stream.Append(_tokenizer.Parts.ByteIds[emoji[3]], utf8));
        Assert.Equal(0, stream.Flush(utf8));
    }

    [Fact]
    public void ShortRoomIsRefusedAndTheStreamStaysAsItWas()
    {
        TokenStream stream = _tokenizer.CreateStream();
        int id = _tokenizer.Parts.ByteIds[0xE2];
        Assert.Throws<ArgumentException>(() => stream.Append(id, new byte[stream.MaxBytesPerToken - 1]));
        Assert.Equal(0, stream.Append(id, new byte[stream.MaxBytesPerToken]));
        Assert.Throws<ArgumentException>(() => stream.Flush(new byte[2]));
        Assert.Equal(3, stream.Flush(new byte[3]));
    }

    [Fact]
    public void LooksTokensUp()
    {
        for (int id = 0; id < _tokenizer.VocabularySize; id++)
        {
            string piece = _tokenizer.Piece(id)!;
            Assert.True(_tokenizer.TryGetId(piece, out int found));
            Assert.Equal(id, found);
            Assert.Equal(_tokenizer.SpecialIds.Contains(id), _tokenizer.IsSpecial(id));
        }
        Assert.False(_tokenizer.TryGetId("no such token", out _));
        Assert.Null(_tokenizer.Piece(-1));
        Assert.Null(_tokenizer.Piece(_tokenizer.VocabularySize));
        Assert.True(_tokenizer.Bytes(_tokenizer.VocabularySize).IsEmpty);
        Assert.False(_tokenizer.IsSpecial(int.MaxValue));
    }

    [Fact]
    public void ManyThreadsGetTheSameIds()
    {
        string[] texts = [.. Enumerable.Range(0, 200).Select(i => $"    var item{i} = items[{i}] ?? throw new InvalidOperationException(\"é{i}\");\n")];
        int[][] alone = [.. texts.Select(text => _tokenizer.Encode(text))];
        int[][] together = [.. texts.AsParallel().AsOrdered().WithDegreeOfParallelism(4).Select(text => _tokenizer.Encode(text))];
        Assert.Equal(alone, together);
    }

    private static string Word(string alphabet, int length, int seed = 7)
    {
        var random = new Random(seed);
        Rune[] letters = [.. alphabet.EnumerateRunes()];
        var word = new StringBuilder(length);
        while (word.Length < length)
            word.Append(letters[random.Next(letters.Length)]);
        return word.ToString();
    }

    private long HeapComparisons(string alphabet, int length)
    {
        int[] symbols = [.. Encoding.UTF8.GetBytes(Word(alphabet, length)).Select(b => _tokenizer.Parts.ByteIds[b])];
        var merger = new BytePairMerger(_tokenizer.Parts.Merges);
        merger.Merge(symbols);
        return merger.HeapComparisons;
    }
}
