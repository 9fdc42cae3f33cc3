using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Cli.Tests;

public sealed class FillInTheMiddleTests
{
    private const string Before = "class A\n{\n    int Add(int a, int b)\n    {\n        ";
    private const string After = "\n    }\n}\n";

    [Fact]
    public void The_prompt_is_the_one_built_by_hand()
    {
        using TemporaryFolder folder = new();
        string file = folder.Write("A.cs", Before + After), other = folder.Write("B.cs", "class B { }\n");
        string byHand = $"<filename>{other}\nclass B {{ }}\n\n<filename>A.cs\n<fim_suffix>{After}<fim_prefix>{Before}<fim_middle>";
        string[] common = ["--max-tokens", "8", "--json"];
        CommandRun filled = CommandRun.Of(
            ["generate", "--file", file, "--line", "5", "--column", "9", "--file-name", "A.cs", "--context-file", other, .. common]).Succeeded();
        CommandRun manual = CommandRun.Of(["generate", "--special", "--prompt", byHand, .. common]).Succeeded();
        Assert.Equal(manual.Integers("prompt_ids"), filled.Integers("prompt_ids"));
        int[] ids = filled.Integers("ids");
        Assert.Equal(manual.Integers("ids").Take(ids.Length), ids);
    }

    [Fact]
    public void Prefix_and_suffix_files_are_the_same_gap()
    {
        using TemporaryFolder folder = new();
        string file = folder.Write("A.cs", Before + After), prefix = folder.Write("p", Before), suffix = folder.Write("s", After);
        string[] common = ["--file-name", "A.cs", "--max-tokens", "1", "--json"];
        Assert.Equal(
            CommandRun.Of(["generate", "--file", file, "--line", "5", "--column", "9", .. common]).Succeeded().Integers("prompt_ids"),
            CommandRun.Of(["generate", "--prefix-file", prefix, "--suffix-file", suffix, .. common]).Succeeded().Integers("prompt_ids"));
    }

    [Fact]
    public void Control_tokens_in_files_are_text()
    {
        using TemporaryFolder folder = new();
        string file = folder.Write("A.cs", "a<fim_middle><filename>b");
        Tokenizer tokenizer = Tokenizer.Load(Path.Combine(Mellum.DefaultFolder, "tokenizer.json"));
        int[] ids = CommandRun.Of("generate", "--file", file, "--line", "1", "--column", "3", "--max-tokens", "1", "--json").Succeeded().Integers("prompt_ids");
        Assert.Equal(4, ids.Count(tokenizer.IsSpecial));
    }

    [Theory]
    [InlineData("ab\ncd", 1, 1, "")]
    [InlineData("ab\ncd", 1, 3, "ab")]
    [InlineData("ab\ncd", 2, 3, "ab\ncd")]
    [InlineData("ab\r\ncd\r\n", 1, 3, "ab")]
    [InlineData("ab\ncd\n", 3, 1, "ab\ncd\n")]
    [InlineData("😀b", 1, 2, "😀")]
    [InlineData("", 1, 1, "")]
    public void A_cursor_cuts_the_file(string text, int line, int column, string prefix)
    {
        (string before, string after) = FillInTheMiddle.Split(text, line, column, "x");
        Assert.Equal(prefix, before);
        Assert.Equal(text, before + after);
    }

    [Theory]
    [InlineData("ab\ncd", 3, 1, "--line 3 is not in x, which has 2 lines.")]
    [InlineData("ab\ncd", 1, 4, "--column 4 is not in line 1 of x, which has 2 characters.")]
    [InlineData("ab\r\n", 1, 4, "--column 4 is not in line 1 of x, which has 2 characters.")]
    public void A_cursor_outside_is_refused(string text, int line, int column, string sentence) =>
        Assert.Equal(sentence, Assert.Throws<InvalidInputException>(() => FillInTheMiddle.Split(text, line, column, "x")).Message);

    [Fact]
    public void A_tokenizer_without_the_tokens_is_refused()
    {
        using TemporaryFolder folder = new();
        string model = folder.CopyDefault("tokenizer.json");
        File.Copy(GoldenFolder.Find("tokenizer", "qwen-style-600", "tokenizer.json"), Path.Combine(model, "tokenizer.json"));
        string file = folder.Write("A.cs", "a");
        CommandRun run = CommandRun.Of("generate", "--model", model, "--file", file, "--line", "1", "--column", "1");
        Assert.Equal(ExitCode.InvalidInput, run.Code);
        Assert.Contains("has no token <filename>", run.Error, StringComparison.Ordinal);
    }
}
