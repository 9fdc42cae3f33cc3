using System.Globalization;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;

namespace Mellum2.Managed.Cli.Tests;

public sealed class TokenizeInspectTests
{
    [Property(MaxTest = 50)]
    public Property Text_survives_encoding_and_decoding() => Prop.ForAll(
        ArbMap.Default.GeneratorFor<NonNull<string>>().Select(text => text.Get.ReplaceLineEndings(" ")).Where(IsText).ToArbitrary(),
        text =>
        {
            int[] ids = CommandRun.WithText(text, "tokenize", "--prompt", "-", "--json").Succeeded().Integers("ids");
            if (ids.Length == 0)
                return;
            string list = string.Join(',', ids.Select(id => id.ToString(CultureInfo.InvariantCulture)));
            Assert.Equal(text, CommandRun.Of("tokenize", "--decode", list).Succeeded().Output);
        });

    [Fact]
    public void Plain_lines_hold_ids_pieces_and_bytes()
    {
        CommandRun run = CommandRun.Of("tokenize", "--prompt", "int x").Succeeded();
        int[] ids = CommandRun.Of("tokenize", "--prompt", "int x", "--json").Succeeded().Integers("ids");
        string[][] lines = [.. run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split('\t'))];
        Assert.Equal(ids, lines.Select(line => int.Parse(line[0], CultureInfo.InvariantCulture)));
        Assert.Equal("696E742078", string.Concat(lines.Select(line => line[2])));
        Assert.Equal($"{ids.Length}\n", CommandRun.Of("tokenize", "--prompt", "int x", "--count").Succeeded().Output);
    }

    [Fact]
    public void Special_finds_control_tokens()
    {
        Assert.True(CommandRun.Of("tokenize", "--prompt", "<|im_end|>", "--json").Succeeded().Integers("ids").Length > 1);
        Assert.Single(CommandRun.Of("tokenize", "--prompt", "<|im_end|>", "--special", "--json").Succeeded().Integers("ids"));
    }

    [Fact]
    public void The_released_shape_has_its_known_numbers()
    {
        JsonElement json = CommandRun.Of("inspect", "--shape", "mellum2-12b", "--json").Succeeded().Json;
        Assert.Equal(12_149_923_072, json.GetProperty("parameters").GetInt64());
        Assert.Equal(28, json.GetProperty("layers").GetInt32());
        Assert.Equal(7, json.GetProperty("full_attention_layers").GetInt32());
        Assert.Equal(131_072, json.GetProperty("context").GetInt32());
        Assert.Equal(2 * 12_149_923_072, json.GetProperty("weight_bytes").GetInt64());
        Assert.Equal(1.92, json.GetProperty("cache_bytes_one_token_a_pass").GetProperty("BF16").GetInt64() / 1e9, 0.005);
        Assert.Contains("1.92 GB", CommandRun.Of("inspect", "--shape", "mellum2-12b").Succeeded().Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Layers_format_and_head_of_a_shape_can_be_chosen()
    {
        JsonElement json = CommandRun.Of("inspect", "--shape", "mellum2-12b", "--layers", "4", "--dtype", "fp8", "--with-mtp", "--json").Succeeded().Json;
        Assert.Equal(4, json.GetProperty("layers").GetInt32());
        Assert.True(json.GetProperty("has_mtp").GetBoolean());
        Assert.True(json.GetProperty("mtp_parameters").GetInt64() > 0);
        JsonElement formats = json.GetProperty("weight_bytes_by_format");
        Assert.True(formats.GetProperty("F8_E4M3").GetInt64() > formats.GetProperty("BF16").GetInt64());
        Assert.Equal(formats.EnumerateObject().Sum(format => format.Value.GetInt64()), json.GetProperty("weight_bytes").GetInt64());
    }

    [Fact]
    public void The_small_checkpoint_is_described_without_its_weights()
    {
        using TemporaryFolder folder = new();
        string model = folder.CopyDefault();
        JsonElement json = CommandRun.Of("inspect", "--model", model, "--context", "1024", "--json").Succeeded().Json;
        Assert.True(json.GetProperty("has_mtp").GetBoolean());
        Assert.Equal(
            2 * (json.GetProperty("parameters").GetInt64() + json.GetProperty("mtp_parameters").GetInt64()), json.GetProperty("weight_bytes").GetInt64());
        Assert.Equal(1024, json.GetProperty("context").GetInt32());
    }

    [Theory]
    [InlineData("--help")]
    [InlineData("generate", "--help")]
    [InlineData("chat", "-h")]
    [InlineData("tokenize", "--help")]
    [InlineData("inspect", "--help")]
    [InlineData("convert", "--help")]
    [InlineData("trace", "--help")]
    [InlineData("bench", "--help")]
    [InlineData("doctor", "--help")]
    public void Help_has_examples(params string[] args)
    {
        CommandRun run = CommandRun.Of(args).Succeeded();
        Assert.Contains("Examples:\n  mellum2 ", run.Output.ReplaceLineEndings("\n"), StringComparison.Ordinal);
        Assert.Empty(run.Error);
    }

    [Fact]
    public void Version_is_told() => Assert.StartsWith("mellum2 0.", CommandRun.Of("--version").Succeeded().Output, StringComparison.Ordinal);

    private static bool IsText(string text) => text.Length > 0 && !text.StartsWith('\uFEFF') && text == Round(text);

    // Lone surrogates are no text.
    private static string Round(string text) => System.Text.Encoding.UTF8.GetString(System.Text.Encoding.UTF8.GetBytes(text));
}
