using System.Text;
using System.Text.Json;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Training.Runs.Tests;

/// <summary>A folder that goes away with the test, with texts to train on and run files for a tiny model.</summary>
internal sealed class TestRun : IDisposable
{
    /// <summary>A model of two layers that takes milliseconds for a step.</summary>
    public const string TinyShape =
        """
        { "hidden_size": 32, "num_hidden_layers": 2, "layer_types": ["sliding_attention", "full_attention"],
          "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16 }
        """;

    private int _names;

    public TestRun(int documents = 150)
    {
        Random random = new(7);
        for (int i = 0; i < documents; i++)
        {
            StringBuilder text = new();
            for (int line = 0; line < 12; line++)
                text.Append(FormattableString.Invariant($"public int Value{random.Next(50)} => {random.Next(100)} + other{random.Next(20)}.Count; // item {i}\n"));
            Write($"texts/{i:D3}.cs", text.ToString());
        }
    }

    public string Root { get; } = Directory.CreateTempSubdirectory("mellum2-runs-").FullName;

    public string Texts => Path.Combine(Root, "texts");

    public static string Tokenizer => GoldenFolder.Find("mini");

    /// <summary>A path that does not exist yet.</summary>
    public string NewPath() => Path.Combine(Root, $"run-{_names++}");

    public string Write(string name, string text) => Write(name, Encoding.UTF8.GetBytes(text));

    public string Write(string name, byte[] bytes)
    {
        string path = Path.Combine(Root, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, bytes);
        return path;
    }

    /// <summary>A run of the tiny model on the texts, with assignments as <c>--set</c> takes them.</summary>
    public RunConfiguration Configuration(params string[] assignments)
    {
        RunConfiguration run = RunConfiguration.Parse(
            $$"""
            { "model": { "shape": {{TinyShape}} }, "tokenizer": {{JsonSerializer.Serialize(Tokenizer)}},
              "data": { "sources": [{ "path": {{JsonSerializer.Serialize(Texts)}}, "name": "texts" }], "length": 64 },
              "batch": { "rows": 2 }, "steps": 60, "evaluation": { "every": 20, "batches": 4 }, "checkpoints": { "every": 25 }, "threads": 1, "prefetch": 0 }
            """);
        foreach (string assignment in assignments)
            run = run.Set(assignment[..assignment.IndexOf('=')], assignment[(assignment.IndexOf('=') + 1)..]);
        return run;
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
