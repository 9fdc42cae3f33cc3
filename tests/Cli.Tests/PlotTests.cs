using System.Globalization;
using System.Text;
using System.Xml.Linq;

namespace Mellum2.Managed.Cli.Tests;

/// <summary>Curves of runs, from files that may still grow.</summary>
public sealed class PlotTests
{
    [Fact]
    public void Two_runs_share_a_picture()
    {
        using TemporaryFolder folder = new();
        string slow = WriteRun(folder, "slow", 200, 2.5), fast = WriteRun(folder, "fast", 300, 1.5), picture = Path.Combine(folder.Path, "curves.svg");
        CommandRun run = CommandRun.Of("plot", slow, Path.Combine(fast, MetricsReader.FileName), "--output", picture).Succeeded();
        Assert.Contains("slow to step 200, fast to step 300", run.Error, StringComparison.Ordinal);
        string[] texts = Texts(picture);
        foreach (string expected in (string[])["Loss", "slow", "fast", "steps", "Learning rate", "Gradient norm, before clipping", "MTP head: greedy acceptance", "Expert load"])
            Assert.Contains(expected, texts);
        Assert.False(File.Exists(picture + ".partial"));
        // The folder above stands for both, in the order of their names.
        Assert.Contains("fast to step 300, slow to step 200", CommandRun.Of("plot", folder.Path, "--output", picture).Succeeded().Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_picture_of_one_run_names_its_curves_and_counts_tokens()
    {
        using TemporaryFolder folder = new();
        string run = WriteRun(folder, "run", 120, 2), picture = Path.Combine(folder.Path, "curves.svg");
        CommandRun.Of("plot", run, "--x", "tokens", "--output", picture).Succeeded();
        string[] texts = Texts(picture);
        foreach (string expected in (string[])["training", "validation", "training, MTP head", "tokens", "router 0", "router 1"])
            Assert.Contains(expected, texts);
        // 120 steps of 4,096 tokens.
        Assert.Contains("400 k", texts);
    }

    [Fact]
    public void A_line_that_is_not_whole_yet_is_passed_over_and_a_step_that_comes_again_replaces()
    {
        using TemporaryFolder folder = new();
        string file = folder.Write(
            "metrics.jsonl",
            "{\"step\":1,\"loss\":5}\n{\"step\":2,\"loss\":4}\n{\"step\":2,\"validation_loss\":4.5}\n{\"step\":3,\"loss\":9}\n{\"step\":2,\"loss\":3,\"load\":[1.5]}\n{\"step\":3,\"lo");
        RunMetrics metrics = MetricsReader.Read(folder.Path, "run");
        Assert.Equal([(1, 5.0), (2, 3.0)], metrics.Steps.Select(step => (step.Step, step.Loss)));
        Assert.Empty(metrics.Evaluations);
        Assert.Equal([1.5], metrics.Steps[1].Load!);
        CommandRun.Of("plot", file, "--output", Path.Combine(folder.Path, "curves.svg")).Succeeded();
    }

    [Theory]
    [InlineData("{\"step\":1,\"loss\":5}\n{\"step\":2,\"lo\n{\"step\":3,\"loss\":4}\n", "metrics.jsonl, line 2, is damaged")]
    [InlineData("{\"step\":1,\"loss\":\"low\"}\n", "metrics.jsonl, line 1, is damaged")]
    [InlineData("[1]\n", "metrics.jsonl, line 1, is damaged")]
    [InlineData("{\"step\":1,\"load\":3}\n", "metrics.jsonl, line 1, is damaged")]
    [InlineData("{\"loss\":1}\n", "metrics.jsonl, line 1, is damaged")]
    [InlineData("{\"step\":1,", "have no step yet")]
    [InlineData("", "have no step yet")]
    public void Other_damage_is_one_sentence(string lines, string fragment)
    {
        using TemporaryFolder folder = new();
        string picture = folder.Write("curves.svg", "old");
        folder.Write("metrics.jsonl", lines);
        CommandRun run = CommandRun.Of("plot", folder.Path, "--output", picture);
        Assert.Equal(ExitCode.InvalidInput, run.Code);
        Assert.Contains(fragment, run.Sentence, StringComparison.Ordinal);
        Assert.Equal("old", File.ReadAllText(picture));
    }

    [Fact]
    public void What_is_missing_is_named()
    {
        using TemporaryFolder folder = new();
        CommandRun run = CommandRun.Of("plot", folder.Path, "--output", "x.svg");
        Assert.Equal(ExitCode.InvalidInput, run.Code);
        Assert.Contains("metrics.jsonl does not exist", run.Sentence, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Usage, CommandRun.Of("plot", folder.Path).Code);
        Assert.Equal(ExitCode.Usage, CommandRun.Of("plot", "--output", "x.svg").Code);
        Assert.Equal(ExitCode.Usage, CommandRun.Of("plot", folder.Path, "--output", "x.svg", "--x", "hours").Code);
    }

    [Theory]
    [InlineData("/a/one", "/a/two", "one", "two")]
    [InlineData("/a/run", "/b/run", "a/run", "b/run")]
    [InlineData("/a/run", "/a/run/", "a/run", "a/run")]
    public void Names_are_as_short_as_they_can_be(string first, string second, string expectedFirst, string expectedSecond) =>
        Assert.Equal([expectedFirst, expectedSecond], RunNames.Of([first, second]));

    [Fact]
    public void Smoothing_keeps_level_ends_and_means()
    {
        (double X, double Y)[] flat = [.. Enumerable.Range(0, 1000).Select(i => ((double)i, 3.0))];
        Assert.All(Curve.Smooth(flat), point => Assert.Equal(3, point.Y, 12));
        (double X, double Y)[] ramp = [.. Enumerable.Range(0, 1000).Select(i => ((double)i, 2.0 * i))];
        Assert.All(Curve.Smooth(ramp).SkipLast(20), point => Assert.Equal(2 * point.X, point.Y, 9));
        Assert.Equal(ramp[0], Curve.Smooth(ramp)[0]);
        Assert.Equal(0, Curve.Envelope([.. ramp, .. ramp, .. ramp]).Min(point => point.Y));
        Assert.Equal(1998, Curve.Envelope([.. ramp, .. ramp, .. ramp]).Max(point => point.Y));
        Assert.Equal(ramp[^1], Curve.Thin(ramp)[^1]);
    }

    private static string WriteRun(TemporaryFolder folder, string name, int steps, double end)
    {
        string run = Path.Combine(folder.Path, name);
        Directory.CreateDirectory(run);
        StringBuilder lines = new();
        for (int step = 1; step <= steps; step++)
        {
            double loss = end + 5 * Math.Exp(-step / 30.0);
            lines.Append(CultureInfo.InvariantCulture, $"{{\"step\":{step},\"tokens\":{step * 4096},\"loss\":{loss + 0.1},\"main\":{loss},\"mtp\":{loss + 0.4},");
            lines.Append(CultureInfo.InvariantCulture, $"\"mtp_acceptance\":{1 / loss},\"gradient_norm\":{loss / 5},\"learning_rate\":0.005,\"load\":[1.2,1.4]}}\n");
            if (step % 50 == 0)
                lines.Append(CultureInfo.InvariantCulture, $"{{\"step\":{step},\"validation_loss\":{loss + 0.05},\"mtp_acceptance\":{1 / loss}}}\n");
        }
        lines.Append("{\"step\":");
        File.WriteAllText(Path.Combine(run, MetricsReader.FileName), lines.ToString());
        return run;
    }

    private static string[] Texts(string picture) =>
        [.. XDocument.Load(picture).Descendants().Where(element => element.Name.LocalName == "text").Select(element => element.Value)];
}
