using System.Text.Json;

namespace Mellum2.Managed.Cli.Tests;

/// <summary>From a folder of sources to a model, with nothing else given.</summary>
public sealed class DemoTests
{
    [Fact]
    public void A_folder_of_sources_becomes_a_model()
    {
        using TemporaryFolder folder = new();
        string sources = TrainFiles.WriteSources(folder, 30, lines: 40), output = Path.Combine(folder.Path, "demo");
        File.WriteAllBytes(Path.Combine(sources, "picture.png"), [1, 0, 2]);
        File.WriteAllText(Path.Combine(sources, "bundle.min.js"), new string('x', 2000));
        Directory.CreateDirectory(Path.Combine(sources, "obj"));
        File.WriteAllText(Path.Combine(sources, "obj", "made.cs"), "class Made;");
        CommandRun demo = CommandRun.Of(
            "train", "--demo", sources, "--output", output, "--minutes", "0.1", "--set", "model.shape=" + TrainFiles.TinyShape.ReplaceLineEndings(""), "data.length=64", "batch.rows=2", "--json").Succeeded();
        Assert.Contains("Training on 27 source files, holding out 3", demo.Error, StringComparison.Ordinal);
        Assert.Contains("(3 others are left out)", demo.Error, StringComparison.Ordinal);
        Assert.Contains("mellum2 generate --model", demo.Error, StringComparison.Ordinal);
        JsonElement json = demo.Json;
        Assert.True(json.GetProperty("step").GetInt32() >= 30);
        Assert.True(json.GetProperty("bits_per_byte").GetDouble() < json.GetProperty("bits_per_byte_before").GetDouble());
        Assert.NotEqual(json.GetProperty("sample_before").GetString(), json.GetProperty("sample_after").GetString());
        Assert.True(json.GetProperty("plain_tokens_per_second").GetDouble() > 0);
        Assert.True(json.GetProperty("speculative_tokens_per_second").GetDouble() > 0);
        Assert.InRange(json.GetProperty("mtp_acceptance").GetDouble(), 0, 1);
        Assert.True(File.Exists(Path.Combine(output, "run", "curves.svg")));
        Assert.False(Directory.Exists(Path.Combine(output, "trial")));
        CommandRun.Of("generate", "--model", json.GetProperty("checkpoint").GetString()!, "--prompt", "public", "--max-tokens", "4").Succeeded();

        CommandRun again = CommandRun.Of("train", "--demo", sources, "--output", output);
        Assert.Equal(ExitCode.InvalidInput, again.Code);
        Assert.Contains("is not an empty folder", again.Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public void One_large_file_is_enough_and_its_samples_are_held_out()
    {
        using TemporaryFolder folder = new();
        string sources = TrainFiles.WriteSources(folder, 1, lines: 800), output = Path.Combine(folder.Path, "demo");
        CommandRun demo = CommandRun.Of(
            "train", "--demo", sources, "--output", output, "--minutes", "0.1", "--set", "model.shape=" + TrainFiles.TinyShape.ReplaceLineEndings(""), "data.length=64", "batch.rows=2").Succeeded();
        Assert.Contains("Training on 1 source files, holding out 0", demo.Error, StringComparison.Ordinal);
        foreach (string fragment in (string[])["Before training:", "After training:", "bits per byte\t", "MTP greedy acceptance\t", "speculative decoding\t"])
            Assert.Contains(fragment, demo.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Too_little_text_is_one_sentence()
    {
        using TemporaryFolder folder = new();
        string sources = TrainFiles.WriteSources(folder, 1), output = Path.Combine(folder.Path, "demo");
        CommandRun demo = CommandRun.Of("train", "--demo", sources, "--output", output);
        Assert.Equal(ExitCode.InvalidInput, demo.Code);
        Assert.Contains("of source text in 1 files", demo.Sentence, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', demo.Sentence);
        Assert.False(Directory.Exists(output));
        Assert.Equal(ExitCode.InvalidInput, CommandRun.Of("train", "--demo", "/no/such/folder").Code);
    }
}
