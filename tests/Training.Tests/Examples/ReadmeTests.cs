using System.Text.Json;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Training.Tests.Examples;

/// <summary>The training programs in the README are the ones in this folder, and they train.</summary>
public sealed class ReadmeTests
{
    [Fact]
    public void Every_example_stands_in_the_readme_as_it_is_compiled()
    {
        var examples = ReadmeExamples.Of("Training.Tests");
        Assert.True(examples.Count >= 5);
        Assert.All(examples, example => Assert.True(example.IsInReadme, $"The README lacks example {example.Name}:\n{example.Code}"));
    }

    [Fact]
    public void The_loop_with_a_term_and_an_optimizer_of_its_own_learns()
    {
        List<double> losses = TrainingLoopExample.Run(
            GoldenFolder.Find("mini"), Path.Combine(GoldenFolder.RepositoryRoot(), "Kernels", "Attention", "Attention.Simd.cs"), 40);
        Assert.InRange(losses[0], 7, 9);
        Assert.True(losses[^1] < 0.75 * losses[0], $"from {losses[0]} to {losses[^1]}");
    }

    [Fact]
    public void The_run_example_leaves_a_checkpoint()
    {
        string folder = Directory.CreateTempSubdirectory("mellum2-example").FullName;
        try
        {
            string file = Path.Combine(folder, "run.json");
            string source = Path.Combine(GoldenFolder.RepositoryRoot(), "Engine", "Formats");
            File.WriteAllText(file, $$"""
                {
                  "model": { "shape": { "num_hidden_layers": 2 } },
                  "data": { "sources": [{ "path": {{JsonSerializer.Serialize(source)}}, "extensions": ["cs"] }], "length": 64 },
                  "batch": { "rows": 4 }
                }
                """);
            TrainingSummary summary = RunExample.Run(file, Path.Combine(folder, "run"));
            Assert.Equal(20, summary.Step);
            Assert.True(File.Exists(Path.Combine(folder, "run", "checkpoints", "step-00000020", "model.safetensors")));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
