using System.Text.Json;

namespace Mellum2.Managed.Cli.Tests;

/// <summary>Verbs that measure, convert and diagnose.</summary>
public sealed class ToolTests
{
    [Fact]
    public void A_converted_checkpoint_generates()
    {
        using TemporaryFolder folder = new();
        string target = Path.Combine(folder.Path, "f32");
        JsonElement json = CommandRun.Of("convert", "--output", target, "--dtype", "f32", "--json").Succeeded().Json;
        Assert.Equal("F32", json.GetProperty("dtype").GetString());
        Assert.Equal(json.GetProperty("bytes").GetInt64(), CommandRun.Of("inspect", "--model", target, "--json").Succeeded().Json.GetProperty("weight_bytes").GetInt64());
        string[] generate = ["generate", "--prompt", "public class ", "--max-tokens", "8", "--json"];
        // BF16 widened to F32 holds the same numbers; the reference kernels keep the cache exact in both cases.
        Assert.Equal(
            CommandRun.Of([.. generate, "--reference"]).Succeeded().Integers("ids"),
            CommandRun.Of([.. generate, "--reference", "--model", target]).Succeeded().Integers("ids"));
        CommandRun again = CommandRun.Of("convert", "--output", target, "--dtype", "f32");
        Assert.Equal(ExitCode.InvalidInput, again.Code);
    }

    [Fact]
    public void Bench_measures_a_checkpoint_plain_and_speculative()
    {
        JsonElement json = CommandRun.Of("bench", "--prompt-tokens", "24", "--decode-tokens", "6", "--rounds", "2", "--draft", "mtp", "--json").Succeeded().Json;
        foreach (string part in (string[])["prefill", "decode", "speculative"])
        {
            JsonElement rates = json.GetProperty(part);
            double median = rates.GetProperty("tokens_per_second").GetDouble();
            Assert.InRange(median, rates.GetProperty("tokens_per_second_least").GetDouble(), rates.GetProperty("tokens_per_second_most").GetDouble());
        }
        Assert.True(json.GetProperty("read_bytes_per_second").GetDouble() > 0);
        Assert.True(json.GetProperty("fma_flops_per_second").GetDouble() > 0);
        // BF16: two bytes for every active parameter.
        Assert.Equal(2 * json.GetProperty("active_parameters").GetInt64(), json.GetProperty("active_bytes_per_token").GetInt64());
        Assert.Equal("mtp", json.GetProperty("speculative").GetProperty("drafter").GetString());
    }

    [Fact]
    public void Bench_prints_lines_when_piped()
    {
        CommandRun run = CommandRun.Of("bench", "--prompt", "int x = 1;", "--prompt-tokens", "16", "--decode-tokens", "4", "--rounds", "1", "--speculate", "off").Succeeded();
        string[] lines = run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(2, lines.Length);
        Assert.All(lines, line => Assert.Equal(5, line.Split('\t').Length));
        Assert.DoesNotContain('\e', run.Output);
    }

    [Theory]
    [InlineData("auto")]
    [InlineData("scalar")]
    public void Doctor_passes_its_self_test(string width)
    {
        JsonElement json = CommandRun.Of("doctor", "--width", width, "--json").Succeeded().Json;
        Assert.Equal("passed", json.GetProperty("self_test").GetString());
        Assert.Equal(width == "auto" ? json.GetProperty("widest_vectors").GetString() : width, json.GetProperty("width").GetString());
        Assert.True(json.GetProperty("available_memory_bytes").GetInt64() > 0);
        Assert.Equal("cpu", json.GetProperty("device").GetString());
    }
}
