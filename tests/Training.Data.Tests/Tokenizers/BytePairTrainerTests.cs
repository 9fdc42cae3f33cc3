using System.Text;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training.Data.Tests;

/// <summary>Training against its definition, and the file it writes.</summary>
public sealed class BytePairTrainerTests
{
    private static readonly string[] s_fragments = ["a", "b", "ab", "aab", "aaaa", "aaaaa", "abab", "bab", "c", " ", " ab", "  ", "é", "漢字", "12", "\n", "cab"];

    [Property(MaxTest = 150)]
    public Property Merges_are_those_of_the_definition() => Prop.ForAll(
        Gen.Elements(s_fragments).ArrayOf().Select(string.Concat).ToArbitrary(),
        Gen.Choose(0, 60).ToArbitrary(),
        Gen.Choose(1, 3).ToArbitrary(),
        (text, more, least) =>
        {
            string[] special = ["<end>", "abab"];
            WordCounts words = Count(text);
            int size = special.Length + 256 + more;
            BytePairs actual = BytePairTrainer.Train(words, special, size, least);
            (List<string> pieces, List<(int, int)> merges, long tokens) = TrainNaively(words, special, size, least);
            Assert.Equal(merges, actual.Merges);
            Assert.Equal(pieces, actual.Pieces);
            Assert.Equal(tokens, actual.Tokens);
        });

    [Fact]
    public void Merges_of_real_code_are_those_of_the_definition()
    {
        StringBuilder text = new();
        foreach (string file in Directory.GetFiles(Path.Combine(TestData.Sources, "Tokenizer"), "*.cs").Order(StringComparer.Ordinal).Take(8))
            text.Append(File.ReadAllText(file));
        WordCounts words = Count(text.ToString());
        BytePairs actual = BytePairTrainer.Train(words, [], 456, 2);
        Assert.Equal(200, actual.Merges.Count);
        Assert.Equal(TrainNaively(words, [], 456, 2).Merges, actual.Merges);
    }

    [Fact]
    public void Words_are_counted_and_too_long_ones_left_out()
    {
        Random random = new(1);
        Dictionary<string, long> expected = [];
        WordCounts words = new(), others = new();
        for (int i = 0; i < 20_000; i++)
        {
            string word = random.Next(3000).ToString(System.Globalization.CultureInfo.InvariantCulture);
            expected[word] = expected.GetValueOrDefault(word) + 1;
            (i % 3 == 0 ? words : others).Add(Encoding.UTF8.GetBytes(word), 1);
        }
        others.Add(new byte[WordCounts.MostWordBytes + 1], 1);
        words.Add(others);
        Assert.Equal(1, words.LeftOut);
        Assert.Equal(expected.Count, words.Count);
        for (int i = 0; i < words.Count; i++)
            Assert.Equal(expected[Encoding.UTF8.GetString(words.Word(i))], words.CountOf(i));
    }

    [Fact]
    public void The_file_loads_round_trips_and_does_not_depend_on_the_threads()
    {
        using TestFolder folder = new();
        IReadOnlyList<SourceFile> files = SourceFile.List([TestData.Sources], new SourceOptions { Extensions = ["cs"] });
        string one = folder.NewPath(), many = folder.NewPath();
        TokenizerTrainingOptions options = new() { VocabularySize = 1200, Threads = 1 };
        TokenizerTrainingReport report = TokenizerTrainer.Run(files, one, options);
        TokenizerTrainer.Run(files, many, options with { Threads = 4 });
        Assert.Equal(TestData.Content(one), TestData.Content(many));
        Tokenizer tokenizer = Tokenizer.Load(Path.Combine(one, "tokenizer.json"));
        Assert.Equal(1200, report.VocabularySize);
        Assert.Equal(1200, tokenizer.VocabularySize);
        Assert.Equal(1200 - 256 - 35, report.Merges);
        // The first tokens are those of the checkpoint that comes with the program: special ones, then bytes.
        for (int id = 0; id < 35 + 256; id++)
        {
            Assert.Equal(TestData.Tokenizer.Piece(id), tokenizer.Piece(id));
            Assert.Equal(TestData.Tokenizer.IsSpecial(id), tokenizer.IsSpecial(id));
        }
        long bytes = 0, tokens = 0;
        foreach (SourceFile file in files)
        {
            string text = File.ReadAllText(file.Path);
            int[] ids = tokenizer.Encode(text);
            Assert.Equal(text, tokenizer.Decode(ids));
            bytes += Encoding.UTF8.GetByteCount(text);
            tokens += ids.Length;
        }
        Assert.Equal((double)bytes / tokens, report.BytesPerToken, 9);
        Assert.InRange(report.BytesPerToken, 2.5, 6);
    }

    [Theory]
    [InlineData(290, "A vocabulary of 290 tokens cannot be trained; 291")]
    [InlineData(2_000_000, "A vocabulary of 2000000 tokens cannot be trained")]
    public void A_vocabulary_that_cannot_be_is_refused(int size, string fragment)
    {
        using TestFolder folder = new();
        IReadOnlyList<SourceFile> files = [new SourceFile(folder.Write("a.txt", "text"), 4)];
        InvalidInputException error = Assert.Throws<InvalidInputException>(
            () => TokenizerTrainer.Run(files, folder.NewPath(), new TokenizerTrainingOptions { VocabularySize = size }));
        Assert.StartsWith(fragment, error.Message, StringComparison.Ordinal);
    }

    private static WordCounts Count(string text)
    {
        WordCounts words = new();
        foreach (string word in TestData.Tokenizer.PreTokenize(text))
            words.Add(Encoding.UTF8.GetBytes(word), 1);
        return words;
    }

    /// <summary>The definition: all pairs are counted anew before each merge.</summary>
    private static (List<string> Pieces, List<(int, int)> Merges, long Tokens) TrainNaively(WordCounts counted, string[] special, int size, long least)
    {
        List<string> pieces = [.. special, .. BytePairTrainer.SymbolsInOrder()];
        List<(int[] Symbols, long Count)> words = [];
        for (int i = 0; i < counted.Count; i++)
        {
            int[] symbols = [.. counted.Word(i).ToArray().Select(b => pieces.IndexOf(ByteSymbol(b), special.Length))];
            words.Add((symbols, counted.CountOf(i)));
        }
        List<(int, int)> merges = [];
        while (pieces.Count < size)
        {
            Dictionary<(int Left, int Right), long> pairs = [];
            foreach ((int[] symbols, long count) in words)
                for (int i = 1; i < symbols.Length; i++)
                    pairs[(symbols[i - 1], symbols[i])] = pairs.GetValueOrDefault((symbols[i - 1], symbols[i])) + count;
            (int Left, int Right)? best = pairs
                .Where(pair => pair.Value >= least && !special.Contains(pieces[pair.Key.Left] + pieces[pair.Key.Right]))
                .OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key.Left).ThenBy(pair => pair.Key.Right)
                .Select(pair => ((int, int)?)pair.Key).FirstOrDefault();
            if (best is not { } merge)
                break;
            string piece = pieces[merge.Left] + pieces[merge.Right];
            int id = pieces.IndexOf(piece);
            if (id < 0)
            {
                id = pieces.Count;
                pieces.Add(piece);
            }
            merges.Add(merge);
            words = [.. words.Select(word => (Apply(word.Symbols, merge, id), word.Count))];
        }
        return (pieces, merges, words.Sum(word => word.Symbols.Length * word.Count));
    }

    private static string ByteSymbol(byte value)
    {
        // The table of the tokenizer that comes with the program: its byte tokens.
        for (int id = 35; id < 35 + 256; id++)
            if (TestData.Tokenizer.Bytes(id) is [var own] && own == value)
                return TestData.Tokenizer.Piece(id)!;
        throw new InvalidOperationException();
    }

    private static int[] Apply(int[] symbols, (int Left, int Right) merge, int id)
    {
        List<int> merged = [];
        for (int i = 0; i < symbols.Length; i++)
        {
            bool isPair = i + 1 < symbols.Length && (symbols[i], symbols[i + 1]) == merge;
            merged.Add(isPair ? id : symbols[i]);
            i += isPair ? 1 : 0;
        }
        return [.. merged];
    }
}
