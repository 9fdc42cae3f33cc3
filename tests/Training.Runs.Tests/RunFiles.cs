using System.Text.Json.Nodes;

namespace Mellum2.Managed.Training.Runs.Tests;

/// <summary>What two runs must have in common, bit for bit.</summary>
internal static class RunFiles
{
    private static readonly string[] s_times = ["seconds", "tokens_per_second", "flops_per_second", "peak_share"];

    /// <summary>Compares the checkpoint of a step and all metrics but for times.</summary>
    public static void Same(string folder, string other, long step)
    {
        string Checkpoint(string run) => Path.Combine(run, "checkpoints", FormattableString.Invariant($"step-{step:D8}"));
        string[] names = [.. Directory.GetFiles(Checkpoint(folder)).Select(file => Path.GetFileName(file)!).Order(StringComparer.Ordinal)];
        Assert.Equal(
            ["config.json", "generation_config.json", "model.safetensors", "optimizer.safetensors", "tokenizer.json", "tokenizer_config.json", "training-state.json"],
            names);
        foreach (string name in names)
            Assert.True(
                File.ReadAllBytes(Path.Combine(Checkpoint(folder), name)).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(Checkpoint(other), name))),
                $"{name} differs");
        Assert.True(
            File.ReadAllBytes(Path.Combine(folder, "checkpoints", "best", "model.safetensors")).AsSpan()
                .SequenceEqual(File.ReadAllBytes(Path.Combine(other, "checkpoints", "best", "model.safetensors"))), "best differs");
        Assert.Equal(Metrics(folder), Metrics(other));
    }

    /// <summary>The lines of metrics.jsonl without times.</summary>
    public static string[] Metrics(string folder) =>
    [
        .. File.ReadLines(Path.Combine(folder, "metrics.jsonl")).Select(line =>
        {
            JsonObject json = JsonNode.Parse(line)!.AsObject();
            foreach (string name in s_times)
                json.Remove(name);
            return json.ToJsonString();
        }),
    ];
}
