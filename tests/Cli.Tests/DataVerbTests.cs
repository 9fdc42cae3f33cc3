using System.Text.Json;

namespace Mellum2.Managed.Cli.Tests;

/// <summary>From files to samples and back to text, and from files to a tokenizer.</summary>
public sealed class DataVerbTests
{
    [Fact]
    public void Files_become_tokens_samples_and_text_again()
    {
        using TemporaryFolder folder = new();
        string corpus = WriteCorpus(folder), tokens = Path.Combine(folder.Path, "tokens"), packed = Path.Combine(folder.Path, "packed");
        CommandRun tokenize = CommandRun.Of("data", "tokenize", "--input", corpus, "--output", tokens, "--json").Succeeded();
        Assert.Equal(12, tokenize.Json.GetProperty("documents").GetInt64());
        Assert.Equal(1, tokenize.Json.GetProperty("left_out").GetInt64());
        Assert.Contains("binary.cs is a binary file", tokenize.Error, StringComparison.Ordinal);
        long count = tokenize.Json.GetProperty("tokens").GetInt64();

        JsonElement decoded = CommandRun.Of("data", "decode", "--input", tokens, "--item", "1", "--json").Succeeded().Json;
        Assert.Equal(Source(0) + "<|endoftext|>", decoded.GetProperty("text").GetString());
        Assert.Equal("a line<|endoftext|>\n", CommandRun.Of("data", "decode", "--input", tokens).Succeeded().Output);
        Assert.Equal(12, CommandRun.Of("data", "decode", "--input", tokens, "--count", "99", "--json").Succeeded().JsonLines().Length);

        JsonElement pack = CommandRun.Of("data", "pack", "--input", tokens, "--output", packed, "--length", "64", "--fim-rate", "1", "--least-unique", "1", "--json").Succeeded().Json;
        Assert.Equal(12, pack.GetProperty("prefix_suffix_middle").GetInt64() + pack.GetProperty("suffix_prefix_middle").GetInt64());
        Assert.True(pack.GetProperty("tokens").GetInt64() >= count + 36);
        JsonElement inspect = CommandRun.Of("data", "inspect", "--input", packed, "--verify", "--json").Succeeded().Json;
        Assert.Equal("samples", inspect.GetProperty("kind").GetString());
        Assert.Equal(pack.GetProperty("samples").GetInt64(), inspect.GetProperty("count").GetInt64());
        Assert.True(inspect.GetProperty("verified").GetBoolean());
        Assert.Contains("<fim_middle>", CommandRun.Of("data", "decode", "--input", packed, "--count", "99").Succeeded().Output, StringComparison.Ordinal);
        Assert.Contains("documents\t12", CommandRun.Of("data", "inspect", "--input", tokens).Succeeded().Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_tokenizer_is_trained_and_used()
    {
        using TemporaryFolder folder = new();
        string corpus = WriteCorpus(folder), trained = Path.Combine(folder.Path, "trained"), tokens = Path.Combine(folder.Path, "tokens");
        JsonElement json = CommandRun.Of("tokenizer", "train", "--input", corpus, "--extension", "cs", "--vocabulary", "310", "--output", trained, "--json").Succeeded().Json;
        Assert.Equal(310, json.GetProperty("vocabulary").GetInt32());
        Assert.True(json.GetProperty("bytes_per_token").GetDouble() > 1);
        string ids = string.Join(',', CommandRun.Of("tokenize", "--model", trained, "--prompt", Source(3), "--json").Succeeded().Integers("ids"));
        Assert.Equal(Source(3), CommandRun.Of("tokenize", "--model", trained, "--decode", ids).Succeeded().Output);
        CommandRun.Of("data", "tokenize", "--input", corpus, "--model", trained, "--output", tokens).Succeeded();
        CommandRun wrong = CommandRun.Of("data", "decode", "--input", tokens);
        Assert.Equal(ExitCode.InvalidInput, wrong.Code);
        Assert.Contains("was written with a vocabulary of 310 tokens", wrong.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_wrong_is_said()
    {
        using TemporaryFolder folder = new();
        string corpus = WriteCorpus(folder), tokens = Path.Combine(folder.Path, "tokens"), free = Path.Combine(folder.Path, "free");
        CommandRun.Of("data", "tokenize", "--input", corpus, "--output", tokens).Succeeded();
        Refuse(ExitCode.InvalidInput, "exists and is not an empty folder", "data", "tokenize", "--input", corpus, "--output", tokens);
        Refuse(ExitCode.InvalidInput, "is a binary file", "data", "tokenize", "--input", corpus, "--output", free, "--strict");
        Refuse(ExitCode.InvalidInput, "has no file that ends in .py", "data", "tokenize", "--input", corpus, "--output", free, "--extension", "py");
        Refuse(ExitCode.InvalidInput, "neither a file nor a folder", "tokenizer", "train", "--input", "/no/such/path", "--output", free, "--vocabulary", "300");
        Refuse(ExitCode.InvalidInput, "no token <none>", "data", "tokenize", "--input", corpus, "--output", free, "--end-token", "<none>");
        Refuse(ExitCode.InvalidInput, "gives no sample", "data", "pack", "--input", tokens, "--output", free, "--length", "8", "--least-unique", "9");
        Refuse(ExitCode.InvalidInput, "has no item 12", "data", "decode", "--input", tokens, "--item", "12");
        Refuse(ExitCode.InvalidInput, "does not exist", "data", "inspect", "--input", free);
        Refuse(ExitCode.InvalidInput, "290 tokens cannot be trained", "tokenizer", "train", "--input", corpus, "--output", free, "--vocabulary", "290");
        Refuse(ExitCode.Usage, "--fim-rate must be a number from 0 to 1", "data", "pack", "--input", tokens, "--output", free, "--fim-rate", "2");
        Refuse(ExitCode.Usage, "mellum2 data pack --help", "data", "pack");
        Refuse(ExitCode.Usage, "--vocabulary", "tokenizer", "train", "--input", corpus, "--output", free);
        Assert.False(Directory.Exists(free) || Directory.Exists(free + ".partial"));
        string shard = Path.Combine(tokens, "shard-00000.tokens");
        File.WriteAllBytes(shard, File.ReadAllBytes(shard)[..^1]);
        Refuse(ExitCode.InvalidInput, "shard-00000.tokens is damaged", "data", "inspect", "--input", tokens);
    }

    [Theory]
    [InlineData("mellum2 data tokenize --input", "data", "tokenize")]
    [InlineData("mellum2 data pack --input", "data", "pack")]
    [InlineData("mellum2 data inspect --input", "data", "inspect")]
    [InlineData("mellum2 data decode --input", "data", "decode")]
    [InlineData("mellum2 tokenizer train --input", "tokenizer", "train")]
    [InlineData("mellum2 tokenize --prompt", "tokenize")]
    public void Help_ends_with_examples_of_the_verb(string example, params string[] verb) =>
        Assert.Contains(example, CommandRun.Of([.. verb, "--help"]).Succeeded().Output.Split("Examples:")[1], StringComparison.Ordinal);

    private static void Refuse(int code, string fragment, params string[] args)
    {
        CommandRun run = CommandRun.Of(args);
        Assert.Equal(code, run.Code);
        Assert.Contains(fragment, run.Error, StringComparison.Ordinal);
        Assert.Empty(run.Output);
    }

    private static string WriteCorpus(TemporaryFolder folder)
    {
        string corpus = Path.Combine(folder.Path, "corpus");
        Directory.CreateDirectory(corpus);
        for (int i = 0; i < 10; i++)
            File.WriteAllText(Path.Combine(corpus, $"file{i}.cs"), Source(i));
        File.WriteAllText(Path.Combine(corpus, "a.jsonl"), "{\"text\":\"a line\"}\n");
        File.WriteAllText(Path.Combine(corpus, "z.md"), "# Über");
        File.WriteAllBytes(Path.Combine(corpus, "binary.cs"), [0, 1, 2]);
        return corpus;
    }

    private static string Source(int i) => string.Concat(Enumerable.Repeat($"public static int Method{i}(int x) => x + {i};\n", 1 + i));
}
