using System.Text.RegularExpressions;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Model.Tests.Examples;

/// <summary>The programs in the README are the ones in this folder, and they run.</summary>
[Collection(ModelCollection.Name)]
public sealed partial class ReadmeTests
{
    private static readonly string s_mini = GoldenFolder.Find("mini");

    [Fact]
    public void Every_example_stands_in_the_readme_as_it_is_compiled()
    {
        string readme = File.ReadAllText(Path.Combine(GoldenFolder.RepositoryRoot(), "README.md")).ReplaceLineEndings("\n");
        int examples = 0;
        foreach (string file in Directory.GetFiles(Path.Combine(GoldenFolder.RepositoryRoot(), "tests", "Model.Tests", "Examples"), "*Example.cs"))
        {
            foreach (Match example in Example().Matches(File.ReadAllText(file).ReplaceLineEndings("\n")))
            {
                string[] lines = example.Groups["code"].Value.TrimEnd().Split('\n');
                int indent = lines.Where(line => line.Length > 0).Min(line => line.Length - line.TrimStart().Length);
                string code = string.Join('\n', lines.Select(line => line.Length == 0 ? line : line[indent..]));
                Assert.True(readme.Contains(code, StringComparison.Ordinal), $"The README lacks example {example.Groups["name"].Value}:\n{code}");
                examples++;
            }
        }
        Assert.True(examples >= 8);
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

    [GeneratedRegex("""// <example name="(?<name>[^"]+)">\n(?<code>.*?)\n\s*// </example>""", RegexOptions.Singleline)]
    private static partial Regex Example();
}
