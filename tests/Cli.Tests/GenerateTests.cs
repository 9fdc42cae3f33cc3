using System.Text.Json;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Cli.Tests;

public sealed class GenerateTests
{
    private const string Prompt = "public static int ";

    [Fact]
    public void Piped_output_is_the_text_alone()
    {
        CommandRun run = CommandRun.Of("generate", "--prompt", Prompt, "--max-tokens", "12").Succeeded();
        CommandRun json = CommandRun.Of("generate", "--prompt", Prompt, "--max-tokens", "12", "--json").Succeeded();
        Assert.Equal(json.Json.GetProperty("text").GetString(), run.Output);
        Assert.DoesNotContain('\e', run.Output + run.Error);
        Assert.Contains("Running ", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Json_has_the_documented_fields()
    {
        JsonElement json = CommandRun.Of("generate", "--prompt", Prompt, "--max-tokens", "5", "--draft", "mtp", "--json").Succeeded().Json;
        Assert.Equal(5, json.GetProperty("ids").GetArrayLength());
        Assert.Equal(5, json.GetProperty("log_probabilities").GetArrayLength());
        Assert.All(json.GetProperty("log_probabilities").EnumerateArray(), value => Assert.InRange(value.GetDouble(), -20, 0));
        Assert.Equal("length", json.GetProperty("finish_reason").GetString());
        Assert.Equal(json.GetProperty("prompt_tokens").GetInt32(), json.GetProperty("prompt_ids").GetArrayLength());
        Assert.NotEmpty(json.GetProperty("model").GetString()!);
        Assert.NotEmpty(json.GetProperty("kernels").GetString()!);
        JsonElement statistics = json.GetProperty("statistics");
        foreach (string field in (string[])
            ["prefill_seconds", "prefill_tokens_per_second", "decode_seconds", "decode_tokens_per_second", "passes", "drafted", "accepted", "acceptance", "tokens_per_pass"])
            Assert.True(statistics.GetProperty(field).GetDouble() >= 0, field);
        Assert.Equal("mtp", statistics.GetProperty("drafter").GetString());
    }

    [Fact]
    public void Rounded_products_have_probabilities_of_their_own()
    {
        string[] common = ["generate", "--prompt", Prompt, "--max-tokens", "5", "--json"];
        JsonElement exact = CommandRun.Of(common).Succeeded().Json, rounded = CommandRun.Of([.. common, "--products", "bf16"]).Succeeded().Json;
        Assert.Contains("bfloat16", rounded.GetProperty("kernels").GetString()!, StringComparison.Ordinal);
        double[] Values(JsonElement json) => [.. json.GetProperty("log_probabilities").EnumerateArray().Select(value => value.GetDouble())];
        Assert.NotEqual(Values(exact), Values(rounded));
        Assert.Equal(Values(exact)[0], Values(rounded)[0], 0.1);
    }

    [Fact]
    public void Rows_in_eight_bits_take_an_FP8_checkpoint()
    {
        string[] common = ["generate", "--prompt", Prompt, "--max-tokens", "5", "--json", "--products", "fp8"];
        CommandRun refused = CommandRun.Of(common);
        Assert.Equal(ExitCode.InvalidInput, refused.Code);
        Assert.Contains("convert --dtype fp8", refused.Sentence, StringComparison.Ordinal);
        using TemporaryFolder folder = new();
        string converted = Path.Combine(folder.Path, "fp8");
        CommandRun.Of("convert", "--model", Managed.Model.Mellum.DefaultFolder, "--output", converted, "--dtype", "fp8").Succeeded();
        JsonElement json = CommandRun.Of([.. common, "--model", converted]).Succeeded().Json;
        Assert.Contains("FP8 rows", json.GetProperty("kernels").GetString()!, StringComparison.Ordinal);
        Assert.Equal(5, json.GetProperty("ids").GetArrayLength());
        // Speculation verifies with the same numbers.
        Assert.Equal(json.GetProperty("ids").ToString(), CommandRun.Of([.. common, "--model", converted, "--draft", "mtp"]).Succeeded().Json.GetProperty("ids").ToString());
    }

    [Theory]
    [InlineData("--speculate", "off")]
    [InlineData("--speculate", "3", "--draft", "lookup")]
    [InlineData("--speculate", "7", "--draft", "mtp")]
    [InlineData("--threads", "1")]
    public void Greedy_tokens_do_not_depend_on_how_they_are_computed(params string[] options)
    {
        string[] common = ["generate", "--prompt", Prompt, "--max-tokens", "24", "--json"];
        Assert.Equal(CommandRun.Of(common).Succeeded().Integers("ids"), CommandRun.Of([.. common, .. options]).Succeeded().Integers("ids"));
    }

    [Fact]
    public void The_same_seed_gives_the_same_text_and_another_one_another()
    {
        string[] common = ["generate", "--prompt", Prompt, "--max-tokens", "40", "--temperature", "1.5", "--top-k", "50", "--json", "--seed"];
        int[] first = CommandRun.Of([.. common, "7"]).Succeeded().Integers("ids");
        Assert.Equal(first, CommandRun.Of([.. common, "7"]).Succeeded().Integers("ids"));
        Assert.NotEqual(first, CommandRun.Of([.. common, "8"]).Succeeded().Integers("ids"));
    }

    [Fact]
    public void A_stop_text_ends_the_output_and_is_no_part_of_it()
    {
        string whole = CommandRun.Of("generate", "--prompt", Prompt, "--max-tokens", "30").Succeeded().Output;
        string stop = whole[3..5];
        string expected = whole[..whole.IndexOf(stop, StringComparison.Ordinal)];
        CommandRun run = CommandRun.Of("generate", "--prompt", Prompt, "--max-tokens", "30", "--stop", "never to be seen", stop).Succeeded();
        Assert.Equal(expected, run.Output);
        Assert.Contains("a stop string", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_prompt_comes_from_the_option_a_file_or_standard_input()
    {
        using TemporaryFolder folder = new();
        string file = folder.Write("prompt.txt", Prompt);
        string[] common = ["--max-tokens", "4", "--json"];
        int[] expected = CommandRun.Of(["generate", "--prompt", Prompt, .. common]).Succeeded().Integers("prompt_ids");
        Assert.Equal(expected, CommandRun.Of(["generate", "--prompt-file", file, .. common]).Succeeded().Integers("prompt_ids"));
        Assert.Equal(expected, CommandRun.WithText(Prompt, ["generate", "--prompt", "-", .. common]).Succeeded().Integers("prompt_ids"));
    }

    [Theory]
    [InlineData("@Program.cs")]
    [InlineData("--json")]
    [InlineData("-x")]
    [InlineData("/?")]
    public void A_prompt_may_look_like_an_option(string prompt)
    {
        int[] expected = CommandRun.Of("tokenize", "--json", "--prompt=" + prompt).Succeeded().Integers("ids");
        Assert.Equal(expected, CommandRun.Of("generate", "--max-tokens", "1", "--prompt", prompt, "--json").Succeeded().Integers("prompt_ids"));
    }

    [Fact]
    public void Control_tokens_of_a_prompt_are_text_unless_special_is_given()
    {
        string[] args = ["generate", "--prompt", "<fim_middle>", "--max-tokens", "1", "--json"];
        Tokenizer tokenizer = Tokenizer.Load(Path.Combine(Mellum.DefaultFolder, "tokenizer.json"));
        Assert.True(tokenizer.TryGetId("<fim_middle>", out int id));
        Assert.Equal([id], CommandRun.Of([.. args, "--special"]).Succeeded().Integers("prompt_ids"));
        Assert.DoesNotContain(id, CommandRun.Of(args).Succeeded().Integers("prompt_ids"));
    }

    [Fact]
    public void Log_probs_go_to_standard_error()
    {
        CommandRun run = CommandRun.Of("generate", "--prompt", Prompt, "--max-tokens", "3", "--log-probs").Succeeded();
        string[] lines = [.. run.Error.Split('\n').Where(line => line.Split('\t').Length == 3)];
        Assert.Equal(3, lines.Length);
        Assert.All(lines, line => Assert.StartsWith("-", line.Split('\t')[1], StringComparison.Ordinal));
    }

    [Fact]
    public void A_cancelled_run_keeps_its_text_and_returns_130()
    {
        using CancellationTokenSource cancel = new();
        using CancellingStream output = new(cancel, afterBytes: 8);
        using StringWriter error = new();
        int code = Program.Run(["generate", "--prompt", Prompt, "--max-tokens", "1000"], Stream.Null, output, error, cancel.Token);
        Assert.Equal(ExitCode.Cancelled, code);
        Assert.InRange(output.Written, 8, 200);
        Assert.DoesNotContain("   at ", error.ToString(), StringComparison.Ordinal);
    }

    private sealed class CancellingStream(CancellationTokenSource cancel, int afterBytes) : MemoryStream
    {
        public long Written { get; private set; }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            Written += buffer.Length;
            if (Written >= afterBytes)
                cancel.Cancel();
        }
    }
}
