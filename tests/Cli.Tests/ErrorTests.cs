namespace Mellum2.Managed.Cli.Tests;

/// <summary>What is wrong is said in one sentence that names it, with the right exit code.</summary>
public sealed class ErrorTests
{
    [Theory]
    [InlineData("--max-tokens", "0", "--max-tokens must be a whole number of at least 1, not \"0\".")]
    [InlineData("--max-tokens", "1.5", "--max-tokens must be a whole number of at least 1, not \"1.5\".")]
    [InlineData("--max-tokens", "99999999999", "--max-tokens must be a whole number of at least 1, not \"99999999999\".")]
    [InlineData("--temperature", "-0.5", "--temperature must be a number of at least 0, not \"-0.5\".")]
    [InlineData("--temperature", "NaN", "--temperature must be a number of at least 0, not \"NaN\".")]
    [InlineData("--temperature", "Infinity", "--temperature must be a number of at least 0, not \"Infinity\".")]
    [InlineData("--temperature", "0,5", "--temperature must be a number of at least 0, not \"0,5\".")]
    [InlineData("--top-p", "1.5", "--top-p must be a number from 0 to 1, not \"1.5\".")]
    [InlineData("--min-p", "x", "--min-p must be a number from 0 to 1, not \"x\".")]
    [InlineData("--top-k", "-1", "--top-k must be a whole number of at least 0, not \"-1\".")]
    [InlineData("--repetition-penalty", "0", "--repetition-penalty must be a number above 0, not \"0\".")]
    [InlineData("--frequency-penalty", "NaN", "--frequency-penalty must be a number that is finite, not \"NaN\".")]
    [InlineData("--presence-penalty", "Infinity", "--presence-penalty must be a number that is finite, not \"Infinity\".")]
    [InlineData("--seed", "-1", "--seed must be a whole number from 0 to 18446744073709551615, not \"-1\".")]
    [InlineData("--speculate", "8", "--speculate must be a whole number from 1 to 7, auto or off, not \"8\".")]
    [InlineData("--draft", "none", "--draft must be one of auto, mtp, lookup, not \"none\".")]
    [InlineData("--threads", "-1", "--threads must be a whole number from 0 to 1024, not \"-1\".")]
    [InlineData("--context", "0", "--context must be a whole number of at least 1, not \"0\".")]
    [InlineData("--width", "1024", "--width must be one of auto, 512, 256, 128, scalar, not \"1024\".")]
    [InlineData("--line", "0", "--line must be a whole number of at least 1, not \"0\".")]
    public void A_value_out_of_range_is_refused_by_name(string option, string value, string sentence)
    {
        CommandRun run = CommandRun.Of("generate", "--prompt", "x", option, value);
        Assert.Equal(ExitCode.Usage, run.Code);
        Assert.Equal(sentence, run.Error.Split('\n')[0]);
        Assert.Empty(run.Output);
    }

    [Theory]
    [InlineData("generate")]
    [InlineData("generate", "--prompt", "a", "--prompt-file", "b")]
    [InlineData("generate", "--prompt", "a", "--file", "b")]
    [InlineData("generate", "--file", "b")]
    [InlineData("generate", "--prefix-file", "b")]
    [InlineData("generate", "--line", "1")]
    [InlineData("generate", "--prompt", "a", "--no-such-option")]
    [InlineData("generate", "a prompt without its option")]
    [InlineData("generate", "--prompt")]
    [InlineData("generate", "--prompt", "a", "--reference", "--cache", "f32")]
    [InlineData("generate", "--prompt", "a", "--reference", "--products", "bf16")]
    [InlineData("generate", "--prompt", "a", "--reference", "--products", "fp8")]
    [InlineData("generate", "--prompt", "a", "--tensor-cores", "off")]
    [InlineData("tokenize")]
    [InlineData("tokenize", "--prompt", "a", "--decode", "1")]
    [InlineData("tokenize", "--decode", "1,x")]
    [InlineData("inspect", "--shape", "mellum2-12b", "--model", ".")]
    [InlineData("inspect", "--layers", "2")]
    [InlineData("convert", "--dtype", "f32")]
    [InlineData("convert", "--output", "x")]
    [InlineData("trace", "--prompt", "a")]
    [InlineData("bench", "--shape", "mellum2-12b", "--prompt", "a")]
    [InlineData("no-such-verb")]
    [InlineData]
    public void A_wrong_command_line_returns_2(params string[] args)
    {
        CommandRun run = CommandRun.Of(args);
        Assert.Equal(ExitCode.Usage, run.Code);
        Assert.Empty(run.Output);
        Assert.NotEmpty(run.Error);
        Assert.DoesNotContain("   at ", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("The model folder /no/such/folder does not exist.", "generate", "--prompt", "x", "--model", "/no/such/folder")]
    [InlineData("The model folder /no/such/folder does not exist.", "tokenize", "--prompt", "x", "--model", "/no/such/folder")]
    [InlineData("The model folder /no/such/folder does not exist.", "inspect", "--model", "/no/such/folder")]
    [InlineData("The model folder /no/such/folder does not exist.", "chat", "--model", "/no/such/folder")]
    [InlineData("The model folder /no/such/folder does not exist.", "bench", "--model", "/no/such/folder")]
    [InlineData("The model folder /no/such/folder does not exist.", "convert", "--model", "/no/such/folder", "--output", "x", "--dtype", "f32")]
    [InlineData("/no/such/file cannot be read", "generate", "--prompt-file", "/no/such/file")]
    [InlineData("No token has the id 99999", "tokenize", "--decode", "1,99999")]
    [InlineData("There is no model shape named \"x\"", "inspect", "--shape", "x")]
    [InlineData("--context 9999999 is more than the 2048 positions", "inspect", "--context", "9999999")]
    [InlineData("--attention names layer 9", "trace", "--prompt", "x", "--output", "x", "--attention", "9")]
    [InlineData("need a context of", "bench", "--prompt-tokens", "5000")]
    [InlineData("; --force goes on regardless.", "bench", "--shape", "mellum2-12b", "--layers", "1024", "--dtype", "f32")]
    [InlineData("The prompt is empty", "generate", "--prompt", "")]
    [InlineData("The prompt has 8 tokens, but the context has room for 2.", "generate", "--prompt", "int x = 42;", "--context", "2")]
    public void Input_that_is_wrong_returns_1(string fragment, params string[] args)
    {
        CommandRun run = CommandRun.Of(args);
        Assert.Equal(ExitCode.InvalidInput, run.Code);
        Assert.Contains(fragment, run.Error.TrimEnd('\n').Split('\n')[^1], StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", run.Error, StringComparison.Ordinal);
        Assert.Empty(run.Output);
    }

    [Fact]
    public void Text_that_is_no_utf8_is_refused_with_its_place()
    {
        byte[] bytes = [(byte)'a', 0xC3, 0xA4, 0xFF, (byte)'b'];
        using TemporaryFolder folder = new();
        string file = folder.Write("text", bytes);
        CommandRun fromFile = CommandRun.Of("generate", "--prompt-file", file);
        Assert.Equal(ExitCode.InvalidInput, fromFile.Code);
        Assert.Contains($"{file} is no valid UTF-8: the byte 0xFF at offset 3", fromFile.Error, StringComparison.Ordinal);
        CommandRun fromInput = CommandRun.WithInput(bytes, "tokenize", "--prompt", "-");
        Assert.Equal(ExitCode.InvalidInput, fromInput.Code);
        Assert.Contains("Standard input is no valid UTF-8: the byte 0xFF at offset 3", fromInput.Error, StringComparison.Ordinal);
        CommandRun inChat = CommandRun.WithInput([.. "/reset\n"u8, .. bytes], "chat");
        Assert.Equal(ExitCode.InvalidInput, inChat.Code);
        Assert.Contains("the byte 0xFF at offset 10", inChat.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_without_a_tokenizer_is_named()
    {
        using TemporaryFolder folder = new();
        string model = folder.CopyDefault("tokenizer.json");
        foreach (string[] verb in (string[][])[["generate", "--prompt", "x"], ["tokenize", "--prompt", "x"]])
        {
            CommandRun run = CommandRun.Of([.. verb, "--model", model]);
            Assert.Equal(ExitCode.InvalidInput, run.Code);
            Assert.Contains("no tokenizer.json", run.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_damaged_checkpoint_is_refused()
    {
        using TemporaryFolder folder = new();
        string model = folder.CopyDefault();
        File.WriteAllBytes(Path.Combine(model, "model.safetensors"), [1, 2, 3]);
        CommandRun run = CommandRun.Of("generate", "--prompt", "x", "--model", model);
        Assert.Equal(ExitCode.InvalidInput, run.Code);
        Assert.Contains("model.safetensors", run.Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public void A_defect_is_called_one_and_shows_its_stack_only_when_asked()
    {
        string[] args = ["tokenize", "--prompt", "-"];
        (int code, string error) = RunWithBrokenInput(args);
        Assert.Equal(ExitCode.Defect, code);
        Assert.Contains("This is a defect of mellum2", error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
        Assert.Contains("   at ", RunWithBrokenInput([.. args, "--verbose"]).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_full_disk_is_one_sentence()
    {
        using StringWriter error = new();
        int code = Program.Run(["tokenize", "--prompt", "x"], Stream.Null, new FailingStream(new IOException("No space left on device.")), error);
        Assert.Equal(ExitCode.InvalidInput, code);
        Assert.Equal("Reading or writing failed: No space left on device.", error.ToString().TrimEnd());
    }

    private static (int Code, string Error) RunWithBrokenInput(string[] args)
    {
        using StringWriter error = new();
        int code = Program.Run(args, new FailingStream(new InvalidOperationException("Broken.")), Stream.Null, error);
        return (code, error.ToString());
    }

    private sealed class FailingStream(Exception exception) : MemoryStream
    {
        public override int Read(byte[] buffer, int offset, int count) => throw exception;

        public override int Read(Span<byte> buffer) => throw exception;

        public override void CopyTo(Stream destination, int bufferSize) => throw exception;

        public override void Write(ReadOnlySpan<byte> buffer) => throw exception;
    }
}
