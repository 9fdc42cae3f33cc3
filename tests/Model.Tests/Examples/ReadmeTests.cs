using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Model.Tests.Examples;

/// <summary>The programs in the README are the ones in this folder, and they run.</summary>
[Collection(ModelCollection.Name)]
public sealed class ReadmeTests
{
    private static readonly string s_mini = GoldenFolder.Find("mini");

    [Fact]
    public void Every_example_stands_in_the_readme_as_it_is_compiled()
    {
        var examples = ReadmeExamples.Of("Model.Tests");
        Assert.True(examples.Count >= 8);
        Assert.All(examples, example => Assert.True(example.IsInReadme, $"The README lacks example {example.Name}:\n{example.Code}"));
    }

    [Fact]
    public void The_generation_examples_run()
    {
        Assert.Contains("24 tokens", GenerateExample.Run(s_mini), StringComparison.Ordinal);
        string streamed = GenerateExample.Stream(s_mini);
        Assert.NotEmpty(streamed);
        Assert.DoesNotContain("\n\n", streamed, StringComparison.Ordinal);
    }

    [Fact]
    public void The_taps_see_and_change_the_model()
    {
        double[] rms = TapExample.Run(s_mini);
        Assert.Equal(4, rms.Length);
        Assert.All(rms, value => Assert.True(value > 0));
        var (with, without) = TapExample.Ablate(s_mini);
        Assert.NotEqual(with, without);
    }

    [Fact]
    public void A_sampler_and_a_head_of_the_callers_own_are_used()
    {
        GenerationResult result = SamplerExample.Run(s_mini);
        Assert.InRange(result.Tokens.Count, 1, 32);
        Assert.Equal(0, SamplerExample.Head(s_mini));
    }

    [Fact]
    public void The_forward_example_computes_a_loss() => Assert.InRange(ForwardExample.Run(s_mini), 0.1f, 8f);
}
