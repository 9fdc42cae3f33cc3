using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Mellum2.Managed.Cli.Tests;

/// <summary>Sources and run files of a model that takes milliseconds for a step.</summary>
internal static class TrainFiles
{
    public const string TinyShape =
        """
        { "hidden_size": 32, "num_hidden_layers": 2, "layer_types": ["sliding_attention", "full_attention"],
          "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16 }
        """;

    /// <summary>Writes a folder of sources.</summary>
    public static string WriteSources(TemporaryFolder folder, int files, string name = "sources", int lines = 12)
    {
        string path = Path.Combine(folder.Path, name);
        Directory.CreateDirectory(path);
        Random random = new(7);
        for (int i = 0; i < files; i++)
        {
            StringBuilder text = new();
            for (int line = 0; line < lines; line++)
                text.Append(CultureInfo.InvariantCulture, $"public int Value{random.Next(50)} => {random.Next(100)} + other{random.Next(20)}.Count; // item {i}\n");
            File.WriteAllText(Path.Combine(path, string.Create(CultureInfo.InvariantCulture, $"{i:D3}.cs")), text.ToString());
        }
        return path;
    }

    /// <summary>Writes a run file for the tiny model.</summary>
    public static string WriteRun(TemporaryFolder folder, string sources, int steps, string more = "") => folder.Write(
        "run.json",
        $$"""
        {
          // Comments are allowed.
          "model": { "shape": {{TinyShape}} },
          "data": { "sources": [{ "path": {{JsonSerializer.Serialize(sources)}}, "fim": 0.5 }], "length": 64, "held_out": 0.1 },
          "batch": { "rows": 4 }, "steps": {{steps}}, "optimizer": { "learning_rate": 1e-2 },
          "evaluation": { "every": 10, "batches": 4 }, "checkpoints": { "every": 10 }{{more}}
        }
        """);

    /// <summary>The lines of a run's metrics.</summary>
    public static JsonElement[] Metrics(string run) =>
        [.. File.ReadLines(Path.Combine(run, "metrics.jsonl")).Select(line => JsonDocument.Parse(line).RootElement)];
}
