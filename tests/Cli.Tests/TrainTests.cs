using System.Text.Json;
using System.Xml.Linq;

namespace Mellum2.Managed.Cli.Tests;

/// <summary>Runs from the command line: what they leave, how they go on, what is refused.</summary>
public sealed class TrainTests
{
    [Fact]
    public void A_run_learns_shows_its_steps_and_its_checkpoint_generates_with_its_own_drafts()
    {
        using TemporaryFolder folder = new();
        string file = TrainFiles.WriteRun(folder, TrainFiles.WriteSources(folder, 120), 30), run = Path.Combine(folder.Path, "run");
        CommandRun train = CommandRun.Of("train", file, "--output", run, "--log-every", "15", "--threads", "1").Succeeded();

        JsonElement[] metrics = TrainFiles.Metrics(run), steps = [.. metrics.Where(line => line.TryGetProperty("loss", out _))];
        Assert.Equal(Enumerable.Range(1, 30), steps.Select(line => line.GetProperty("step").GetInt32()));
        Assert.Equal([10, 20, 30], metrics.Where(line => line.TryGetProperty("validation_loss", out _)).Select(line => line.GetProperty("step").GetInt32()));
        Assert.True(steps[^1].GetProperty("main").GetDouble() < steps[0].GetProperty("main").GetDouble() - 1);
        Assert.InRange(steps[^1].GetProperty("peak_share").GetDouble(), 0, 1);
        Assert.Contains("Loss", XDocument.Load(Path.Combine(run, "curves.svg")).Descendants().Select(element => element.Value));

        foreach (string fragment in (string[])
            ["30 steps of 256 tokens", "FP32 peak", "2 layers", "with MTP head", "held out", "Muon, learning rate 0.01", "memory", "GFLOP", "1/30  loss ", "\n15/30  0:", "\n30/30  0:00 left  loss ", "accepted", "of peak", "load ", "step 10: validation loss", "mellum2 generate --model"])
            Assert.Contains(fragment, train.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("\n14/30", train.Error, StringComparison.Ordinal);
        foreach (string fragment in (string[])["steps\t30", "tokens\t7,680", "validation loss\t", "bits per byte\t", "MTP greedy acceptance\t", "checkpoint\t"])
            Assert.Contains(fragment, train.Output, StringComparison.Ordinal);

        string best = Path.Combine(run, "checkpoints", "best");
        string[] generate = ["generate", "--model", best, "--prompt", "public int Value", "--max-tokens", "24", "--json"];
        JsonElement plain = CommandRun.Of([.. generate, "--speculate", "off"]).Succeeded().Json;
        JsonElement drafted = CommandRun.Of([.. generate, "--speculate", "2", "--draft", "mtp"]).Succeeded().Json;
        Assert.Equal(plain.GetProperty("text").GetString(), drafted.GetProperty("text").GetString());
        Assert.True(drafted.GetProperty("statistics").GetProperty("drafted").GetInt32() > 0);
        JsonElement eval = CommandRun.Of("eval", "--model", best, "--input", Path.Combine(folder.Path, "sources"), "--length", "64", "--json").Succeeded().Json;
        Assert.InRange(eval.GetProperty("bits_per_byte").GetDouble(), 0.1, 4);
    }

    [Fact]
    public void A_run_with_a_constant_schedule_goes_on_and_reports_as_json()
    {
        using TemporaryFolder folder = new();
        string file = TrainFiles.WriteRun(folder, TrainFiles.WriteSources(folder, 120), 10, ", \"schedule\": { \"kind\": \"constant\" }"), run = Path.Combine(folder.Path, "run");
        JsonElement first = CommandRun.Of("train", file, "--output", run, "--json").Succeeded().Json;
        Assert.Equal(10, first.GetProperty("step").GetInt32());
        CommandRun more = CommandRun.Of("train", "--resume", run, "--set", "steps=20", "--threads", "1", "--json").Succeeded();
        Assert.Equal(20, more.Json.GetProperty("step").GetInt32());
        Assert.False(more.Json.GetProperty("cancelled").GetBoolean());
        Assert.Contains("20 steps from step 11", more.Error, StringComparison.Ordinal);
        Assert.True(more.Json.GetProperty("validation_loss").GetDouble() < first.GetProperty("validation_loss").GetDouble());
        Assert.True(Directory.Exists(more.Json.GetProperty("checkpoint").GetString()));
        Assert.Equal(20, TrainFiles.Metrics(run).Count(line => line.TryGetProperty("loss", out _)));
        // What a run reported before it is resumed is in its picture too.
        CurveRecorder curves = new("run", Assert.Fail);
        curves.Continue(run);
        Assert.Equal(20, curves.Metrics.Steps.Count);
        Assert.Equal(2, curves.Metrics.Evaluations.Count);
        Refuse(ExitCode.InvalidInput, "seed", "train", "--resume", run, "--set", "seed=5");
    }

    [Fact]
    public void A_sweep_has_a_table_and_a_picture_and_is_not_done_twice()
    {
        using TemporaryFolder folder = new();
        string file = TrainFiles.WriteRun(folder, TrainFiles.WriteSources(folder, 120), 10), sweep = Path.Combine(folder.Path, "sweep");
        string[] args = ["train", file, "--sweep", "optimizer.learning_rate=1e-3,1e-2", "optimizer.kind=muon,adamw", "--set", "batch.rows=2", "--output", sweep];
        CommandRun run = CommandRun.Of(args).Succeeded();
        string[][] rows = [.. run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split('\t'))];
        Assert.Equal(["1e-3 muon", "1e-3 adamw", "1e-2 muon", "1e-2 adamw"], rows.Select(row => $"{row[0]} {row[1]}"));
        Assert.All(rows, row => Assert.True(double.Parse(row[2], System.Globalization.CultureInfo.InvariantCulture) is > 1 and < 10));
        Assert.Contains("Run 4 of 4: learning_rate=1e-2, kind=adamw", run.Error, StringComparison.Ordinal);
        Assert.Contains("The lowest last validation loss", run.Error, StringComparison.Ordinal);
        IEnumerable<string> texts = XDocument.Load(Path.Combine(sweep, "curves.svg")).Descendants().Select(element => element.Value);
        foreach (string name in (string[])["learning_rate=1e-3, kind=muon", "learning_rate=1e-2, kind=adamw"])
            Assert.Contains(name, texts);
        CommandRun again = CommandRun.Of([.. args, "--json"]).Succeeded();
        Assert.DoesNotContain("Run 1 of 4", again.Error, StringComparison.Ordinal);
        Assert.Equal(rows.Select(row => row[5]), again.Json.GetProperty("runs").EnumerateArray().Select(one => one.GetProperty("run").GetString()));
        Assert.Equal("1e-3", again.Json.GetProperty("runs")[0].GetProperty("values").GetProperty("optimizer.learning_rate").GetString());
    }

    [Fact]
    public void What_is_wrong_is_said_and_nothing_is_written()
    {
        using TemporaryFolder folder = new();
        string sources = TrainFiles.WriteSources(folder, 20), file = TrainFiles.WriteRun(folder, sources, 10), run = Path.Combine(folder.Path, "run");
        string empty = Path.Combine(folder.Path, "empty"), full = Path.Combine(folder.Path, "full");
        Directory.CreateDirectory(empty);
        Directory.CreateDirectory(full);
        File.WriteAllText(Path.Combine(full, "notes.txt"), "mine");
        Refuse(ExitCode.InvalidInput, "optimizer.learing_rate is unknown; the nearest known key is optimizer.learning_rate", "train", file, "--output", run, "--set", "optimizer.learing_rate=3");
        Refuse(ExitCode.InvalidInput, "batch.rows", "train", file, "--output", run, "--set", "batch.rows=many");
        Refuse(ExitCode.InvalidInput, "has no file", "train", file, "--output", run, "--set", "data.sources.0.path=" + JsonSerializer.Serialize(empty));
        Refuse(
            ExitCode.InvalidInput, "of memory are available", "train", file, "--output", run, "--set", "model.name=mellum2-12b", "model.shape={\"num_hidden_layers\":1024}");
        Refuse(ExitCode.InvalidInput, "is not empty", "train", file, "--output", full);
        Refuse(ExitCode.InvalidInput, "cannot be read", "train", Path.Combine(folder.Path, "none.json"));
        Refuse(ExitCode.InvalidInput, "holds no run", "train", "--resume", full);
        Refuse(ExitCode.InvalidInput, "optimizer.rate is unknown", "train", file, "--output", run, "--sweep", "optimizer.rate=1,2");
        Refuse(ExitCode.Usage, "A run file, --resume FOLDER or --demo FOLDER is needed", "train");
        Refuse(ExitCode.Usage, "A run file, --resume FOLDER or --demo FOLDER is needed", "train", file, "--resume", full);
        Refuse(ExitCode.Usage, "--sweep needs a run file", "train", "--resume", full, "--sweep", "steps=1,2");
        Refuse(ExitCode.Usage, "--sweep takes PATH=VALUE,VALUE", "train", file, "--sweep", "steps");
        Refuse(ExitCode.Usage, "--set takes PATH=VALUE", "train", file, "--set", "steps");
        Refuse(ExitCode.Usage, "--minutes belongs to --demo", "train", file, "--minutes", "3");
        Refuse(ExitCode.Usage, "--output does not go with --resume", "train", "--resume", full, "--output", run);
        Assert.Equal("mine", File.ReadAllText(Path.Combine(full, "notes.txt")));
        Assert.Single(Directory.GetFileSystemEntries(full));
        Assert.False(File.Exists(Path.Combine(run, "run.json")));
    }

    [Theory]
    [InlineData("train", "--resume", "--demo", "--sweep", "--set", "learning_rate")]
    [InlineData("eval", "--packed", "--max-tokens", "bits per byte")]
    [InlineData("plot", "--x", "RUN", "curves.svg")]
    public void Help_tells_what_there_is(string verb, params string[] fragments)
    {
        CommandRun help = CommandRun.Of(verb, "--help").Succeeded();
        foreach (string fragment in (string[])[.. fragments, "Examples:", $"mellum2 {verb} "])
            Assert.Contains(fragment, help.Output, StringComparison.Ordinal);
        Assert.Contains($"  {verb}", CommandRun.Of("--help").Succeeded().Output, StringComparison.Ordinal);
    }

    private static void Refuse(int code, string fragment, params string[] args)
    {
        CommandRun run = CommandRun.Of(args);
        Assert.Equal(code, run.Code);
        Assert.Contains(fragment, run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", run.Error, StringComparison.Ordinal);
        Assert.Empty(run.Output);
    }
}
