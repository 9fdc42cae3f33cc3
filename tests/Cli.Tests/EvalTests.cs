using System.Text.Json;

namespace Mellum2.Managed.Cli.Tests;

/// <summary>How well a checkpoint predicts text, however the text is cut.</summary>
public sealed class EvalTests
{
    private const string Text = "public static int Add(int a, int b)\n{\n    return a + b;\n}\n";

    [Fact]
    public void Text_files_and_their_tokens_give_the_same()
    {
        using TemporaryFolder folder = new();
        string corpus = WriteCorpus(folder, 3), tokens = Path.Combine(folder.Path, "tokens");
        CommandRun.Of("data", "tokenize", "--input", corpus, "--output", tokens).Succeeded();
        JsonElement text = Eval("--input", corpus), data = Eval("--packed", tokens);
        foreach (string field in (string[])["tokens", "bytes", "loss", "bits_per_byte", "accuracy", "mtp_loss", "mtp_acceptance"])
            Assert.Equal(text.GetProperty(field).GetRawText(), data.GetProperty(field).GetRawText());
        double loss = text.GetProperty("loss").GetDouble();
        Assert.Equal(Math.Exp(loss), text.GetProperty("perplexity").GetDouble(), 9);
        Assert.Equal(
            loss * text.GetProperty("tokens").GetDouble() / Math.Log(2) / text.GetProperty("bytes").GetDouble(),
            text.GetProperty("bits_per_byte").GetDouble(),
            9);
        Assert.InRange(text.GetProperty("accuracy").GetDouble(), 0.2, 1);
        string table = CommandRun.Of("eval", "--input", corpus).Succeeded().Output;
        Assert.Contains("bits per byte\t", table, StringComparison.Ordinal);
        Assert.Contains("MTP greedy acceptance\t", table, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_token_but_a_documents_first_is_predicted_once_whatever_the_window()
    {
        using TemporaryFolder folder = new();
        string corpus = WriteCorpus(folder, 2);
        JsonElement whole = Eval("--input", corpus, "--length", "2048"), cut = Eval("--input", corpus, "--length", "16");
        Assert.Equal(whole.GetProperty("tokens").GetInt64(), cut.GetProperty("tokens").GetInt64());
        Assert.Equal(whole.GetProperty("bytes").GetInt64(), cut.GetProperty("bytes").GetInt64());
        Assert.True(cut.GetProperty("loss").GetDouble() > whole.GetProperty("loss").GetDouble());
        Assert.Equal(40, Eval("--input", corpus, "--max-tokens", "40").GetProperty("tokens").GetInt64());
    }

    [Fact]
    public void A_document_longer_than_a_pass_is_predicted_as_if_it_were_run_whole()
    {
        using TemporaryFolder folder = new();
        string file = folder.Write("long.cs", string.Concat(Enumerable.Repeat(Text, 40)));
        JsonElement simd = Eval("--input", file), reference = Eval("--input", file, "--reference");
        Assert.True(simd.GetProperty("tokens").GetInt64() > 600);
        Assert.Equal(reference.GetProperty("loss").GetDouble(), simd.GetProperty("loss").GetDouble(), 5);
        Assert.Equal(reference.GetProperty("mtp_loss").GetDouble(), simd.GetProperty("mtp_loss").GetDouble(), 5);
    }

    [Fact]
    public void What_is_wrong_is_said()
    {
        using TemporaryFolder folder = new();
        string corpus = WriteCorpus(folder, 1), trained = Path.Combine(folder.Path, "trained"), tokens = Path.Combine(folder.Path, "tokens");
        Refuse(ExitCode.Usage, "Either --input PATH or --packed FOLDER is needed.", "eval");
        Refuse(ExitCode.Usage, "Either --input PATH or --packed FOLDER is needed.", "eval", "--input", corpus, "--packed", corpus);
        Refuse(ExitCode.InvalidInput, "is more than the 2048 positions", "eval", "--input", corpus, "--length", "4096");
        Refuse(ExitCode.InvalidInput, "neither a file nor a folder", "eval", "--input", "/no/such/path");
        Refuse(ExitCode.InvalidInput, "The model folder /no/such/folder does not exist.", "eval", "--input", corpus, "--model", "/no/such/folder");
        Refuse(ExitCode.InvalidInput, "does not exist", "eval", "--packed", "/no/such/folder");
        CommandRun.Of("tokenizer", "train", "--input", corpus, "--vocabulary", "300", "--output", trained).Succeeded();
        CommandRun.Of("data", "tokenize", "--input", corpus, "--model", trained, "--output", tokens).Succeeded();
        Refuse(ExitCode.InvalidInput, "was written with a vocabulary of 300 tokens", "eval", "--packed", tokens);
    }

    private static void Refuse(int code, string fragment, params string[] args)
    {
        CommandRun run = CommandRun.Of(args);
        Assert.Equal(code, run.Code);
        Assert.Contains(fragment, run.Error, StringComparison.Ordinal);
    }

    private static JsonElement Eval(params string[] options) => CommandRun.Of(["eval", "--json", .. options]).Succeeded().Json;

    private static string WriteCorpus(TemporaryFolder folder, int files)
    {
        string corpus = Path.Combine(folder.Path, "corpus");
        Directory.CreateDirectory(corpus);
        for (int i = 0; i < files; i++)
            File.WriteAllText(Path.Combine(corpus, $"{i}.cs"), string.Concat(Enumerable.Repeat(Text.Replace("Add", $"Add{i}", StringComparison.Ordinal), i + 2)));
        return corpus;
    }
}
