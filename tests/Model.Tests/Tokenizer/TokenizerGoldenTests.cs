using System.Text;
using System.Text.Json;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Tests;
using Xunit;

namespace Mellum2.Managed.Model.Tests;

/// <summary>Every field of every tokenizer golden file.</summary>
public class TokenizerGoldenTests
{
    public static TheoryData<string> CaseFolders => TokenizerGoldenFiles.FoldersWith("cases.jsonl");

    public static TheoryData<string> PieceFolders => TokenizerGoldenFiles.FoldersWith("pieces.jsonl");

    public static TheoryData<string> StreamFolders => TokenizerGoldenFiles.FoldersWith("stream.jsonl");

    [Theory, MemberData(nameof(CaseFolders))]
    public void EncodesEveryCase(string folder)
    {
        Tokenizer tokenizer = TokenizerGoldenFiles.Load(folder);
        int beginning = tokenizer.Encode("", EncodeOptions.Prompt).Length;
        int count = 0;
        foreach (JsonElement line in TokenizerGoldenFiles.Lines(folder, "cases.jsonl"))
        {
            string text = line.Text("text");
            int[] ids = line.Ids("ids"), none = line.Ids("ids_no_special");
            int[] specialAsText = line.TryGetProperty("ids_special_as_text", out _) ? line.Ids("ids_special_as_text") : none;
            AssertIds(ids, tokenizer.Encode(text, EncodeOptions.Prompt), text);
            AssertIds(ids[beginning..], tokenizer.Encode(text, new EncodeOptions(AddedTokenMode.All)), text);
            AssertIds(none, tokenizer.Encode(text, EncodeOptions.PlainText), text);
            AssertIds(ids, tokenizer.EncodeUtf8(Encoding.UTF8.GetBytes(text), EncodeOptions.Prompt), text);
            int[] nonSpecial = tokenizer.Encode(text, new EncodeOptions(AddedTokenMode.NonSpecial));
            // The field is left out where it equals one of the two others.
            if (line.TryGetProperty("ids_special_as_text", out _) || !nonSpecial.AsSpan().SequenceEqual(ids.AsSpan(beginning)))
                AssertIds(specialAsText, nonSpecial, text);
            count++;
        }
        Assert.True(count > 0);
    }

    [Theory, MemberData(nameof(CaseFolders))]
    public void DecodesEveryCase(string folder)
    {
        Tokenizer tokenizer = TokenizerGoldenFiles.Load(folder);
        foreach (JsonElement line in TokenizerGoldenFiles.Lines(folder, "cases.jsonl"))
            AssertDecoded(tokenizer, line);
    }

    [Theory, MemberData(nameof(PieceFolders))]
    public void SplitsEveryText(string folder)
    {
        Tokenizer tokenizer = TokenizerGoldenFiles.Load(folder);
        foreach (JsonElement line in TokenizerGoldenFiles.Lines(folder, "pieces.jsonl"))
        {
            IEnumerable<string> expected = line.GetProperty("pieces").EnumerateArray().Select(piece => piece.GetString()!);
            Assert.Equal(expected, tokenizer.PreTokenize(line.Text("text")));
        }
    }

    [Theory, MemberData(nameof(StreamFolders))]
    public void StreamsEveryCase(string folder)
    {
        Tokenizer tokenizer = TokenizerGoldenFiles.Load(folder);
        foreach (JsonElement line in TokenizerGoldenFiles.Lines(folder, "stream.jsonl"))
            AssertDecoded(tokenizer, line);
    }

    public static TheoryData<string, string> RefusedFiles()
    {
        var files = new TheoryData<string, string>();
        using JsonDocument cases = JsonDocument.Parse(File.ReadAllText(GoldenFolder.Find("tokenizer", "refuse", "cases.json")));
        foreach (JsonElement entry in cases.RootElement.EnumerateArray())
            files.Add(entry.Text("file"), entry.Text("reason"));
        return files;
    }

    [Theory, MemberData(nameof(RefusedFiles))]
    public void RefusesFile(string file, string reason)
    {
        string path = GoldenFolder.Find(["tokenizer", "refuse", .. file.Split('/')]);
        InvalidInputException e = Assert.Throws<InvalidInputException>(() => Tokenizer.Load(path));
        Assert.Contains(reason, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    private static void AssertDecoded(Tokenizer tokenizer, JsonElement line)
    {
        int[] ids = line.Ids("ids");
        foreach ((string field, bool skipSpecial) in ((string, bool)[])[("decoded", false), ("decoded_skip_special", true)])
        {
            string expected = line.Text(field);
            Assert.Equal(expected, tokenizer.Decode(ids, skipSpecial));
            TokenStream stream = tokenizer.CreateStream(skipSpecial);
            for (int chunk = 1; chunk <= Math.Max(1, ids.Length); chunk = chunk * 2 + 1)
                Assert.Equal(expected, Streaming.Decode(stream, ids, _ => chunk));
        }
    }

    private static void AssertIds(int[] expected, int[] actual, string text) =>
        Assert.True(expected.AsSpan().SequenceEqual(actual),
            $"{JsonSerializer.Serialize(text)}: [{string.Join(", ", expected)}] expected, [{string.Join(", ", actual)}] found");
}
