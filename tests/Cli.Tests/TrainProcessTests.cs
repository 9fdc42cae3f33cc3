using System.Diagnostics;
using System.Globalization;

namespace Mellum2.Managed.Cli.Tests;

/// <summary>Ctrl+C in a run, in a real process.</summary>
public sealed class TrainProcessTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(3);

    [Fact]
    public async Task Ctrl_c_writes_a_checkpoint_from_which_the_run_goes_on()
    {
        if (OperatingSystem.IsWindows())
            return;
        using TemporaryFolder folder = new();
        string file = TrainFiles.WriteRun(folder, TrainFiles.WriteSources(folder, 120), 100_000, ", \"schedule\": { \"kind\": \"constant\" }"), run = Path.Combine(folder.Path, "run");
        using Process child = ChildProcess.Start(
            [], "train", file, "--output", run, "--log-every", "1", "--set", "evaluation.every=0", "checkpoints.every=0");
        using CancellationTokenSource patience = new(s_patience);
        while (await child.StandardError.ReadLineAsync(patience.Token) is { } line && !line.StartsWith("5/100000", StringComparison.Ordinal))
            Assert.False(child.HasExited, line);
        await ChildProcess.Interrupt(child);
        string rest = await child.StandardError.ReadToEndAsync(patience.Token);
        await child.WaitForExitAsync(patience.Token);
        Assert.Equal(ExitCode.Cancelled, child.ExitCode);
        Assert.Contains("Stopped after step ", rest, StringComparison.Ordinal);
        Assert.Contains("mellum2 train --resume ", rest, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", rest, StringComparison.Ordinal);

        string checkpoint = Assert.Single(Directory.GetDirectories(Path.Combine(run, "checkpoints")));
        int step = int.Parse(Path.GetFileName(checkpoint)["step-".Length..], CultureInfo.InvariantCulture);
        Assert.Equal(step, TrainFiles.Metrics(run).Count(metrics => metrics.TryGetProperty("loss", out _)));
        CommandRun resumed = CommandRun.Of("train", "--resume", run, "--set", $"steps={step + 3}", "--json").Succeeded();
        Assert.Equal(step + 3, resumed.Json.GetProperty("step").GetInt32());
        Assert.Contains($"from step {step + 1}", resumed.Error, StringComparison.Ordinal);
    }
}
