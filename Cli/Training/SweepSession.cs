using System.Text.Json;
using Mellum2.Managed.Training;

namespace Mellum2.Managed.Cli;

/// <summary>Runs with every combination of some values: one table, one picture.</summary>
internal static class SweepSession
{
    /// <summary>Reads axes as the command line has them: <c>optimizer.learning_rate=1e-3,3e-3</c>.</summary>
    public static List<SweepAxis> Axes(IEnumerable<string> texts)
    {
        List<SweepAxis> axes = [];
        foreach (string text in texts)
        {
            int at = text.IndexOf('=', StringComparison.Ordinal);
            if (at <= 0 || at == text.Length - 1)
                throw new UsageException($"--sweep takes PATH=VALUE,VALUE, as optimizer.learning_rate=1e-3,3e-3, not \"{text}\".");
            axes.Add(new SweepAxis(text[..at], Split(text[(at + 1)..])));
        }
        return axes;
    }

    /// <summary>Runs the sweep.</summary>
    /// <returns>The exit code.</returns>
    public static int Run(Terminal terminal, TrainSettings settings, RunConfiguration run, IReadOnlyList<SweepAxis> axes, string folder)
    {
        double peak = MachinePeak.Measure(run.Threads);
        IReadOnlyList<SweepRun> planned = Sweep.Plan(run, axes, folder);
        string picture = Path.Combine(folder, CurvePicture.FileName);
        TrainingMonitor? monitor = null;
        SweepReport report;
        try
        {
            report = Sweep.Run(
                run,
                axes,
                folder,
                one =>
                {
                    monitor?.Close();
                    int number = planned.ToList().FindIndex(other => other.Folder == one.Folder);
                    terminal.Note(Quantity.Text($"Run {number + 1} of {planned.Count}: {Name(axes, one.Values)}"));
                    CurveRecorder curves = new(Name(axes, one.Values), terminal.Note);
                    curves.Show(new LivePicture(Path.Combine(one.Folder, CurvePicture.FileName), []));
                    curves.Show(new LivePicture(picture, Finished(axes, planned.Take(number))));
                    monitor = new TrainingMonitor(terminal, curves, peak, settings.LinesEvery) { ShowsPlan = number == 0 };
                    return settings.Options(monitor, peak);
                },
                terminal.Cancel);
        }
        finally
        {
            monitor?.Close();
        }
        if (report.Results.Count > 0)
            Report(terminal, settings, axes, folder, report);
        if (report.IsCancelled)
        {
            terminal.Note(Quantity.Text($"Stopped with {report.Results.Count} of {planned.Count} runs finished. To go on, give the same command again."));
            return ExitCode.Cancelled;
        }
        List<RunMetrics> all = Finished(axes, planned);
        if (all.Count > 0)
        {
            CurvePicture.Save(picture, all, CurveAxis.Steps);
            terminal.Note($"Curves of all runs: {RunSession.Shown(picture)}");
        }
        return ExitCode.Success;
    }

    private static void Report(Terminal terminal, TrainSettings settings, IReadOnlyList<SweepAxis> axes, string folder, SweepReport report)
    {
        if (settings.Json)
        {
            terminal.WriteJson(json =>
            {
                json.WriteString("output", folder);
                json.WriteBoolean("cancelled", report.IsCancelled);
                json.WriteStartArray("runs");
                foreach (SweepResult result in report.Results)
                    Write(json, axes, result);
                json.WriteEndArray();
            });
            return;
        }
        terminal.WriteTable(
            [.. axes.Select(axis => axis.Path), "last validation loss", "best validation loss", "tokens per second", "run"],
            report.Results.Select(result => (string[])
            [
                .. result.Values,
                result.Failure is null ? Loss(result.LastValidationLoss) : "diverged",
                Loss(result.BestValidationLoss),
                Quantity.Text($"{result.TokensPerSecond:F0}"),
                result.Folder,
            ]));
        SweepResult? best = report.Results.Where(result => result.LastValidationLoss is not null).MinBy(result => result.LastValidationLoss);
        if (best is not null)
            terminal.Note(Quantity.Text($"The lowest last validation loss, {best.LastValidationLoss:F4}, has {Name(axes, best.Values)}."));
    }

    private static void Write(Utf8JsonWriter json, IReadOnlyList<SweepAxis> axes, SweepResult result)
    {
        json.WriteStartObject();
        json.WriteStartObject("values");
        for (int i = 0; i < axes.Count; i++)
            json.WriteString(axes[i].Path, result.Values[i]);
        json.WriteEndObject();
        RunReport.Number(json, "last_validation_loss", result.LastValidationLoss ?? double.NaN);
        RunReport.Number(json, "best_validation_loss", result.BestValidationLoss ?? double.NaN);
        json.WriteNumber("tokens_per_second", result.TokensPerSecond);
        json.WriteString("run", result.Folder);
        if (result.Failure is { } failure)
            json.WriteString("failure", failure);
        json.WriteEndObject();
    }

    private static string Loss(double? loss) => loss is { } value ? Quantity.Text($"{value:F4}") : "";

    /// <summary>What runs before have left, as far as they have left something.</summary>
    private static List<RunMetrics> Finished(IReadOnlyList<SweepAxis> axes, IEnumerable<SweepRun> runs) =>
    [
        .. runs
            .Where(run => File.Exists(Path.Combine(run.Folder, MetricsReader.FileName)))
            .Select(run => MetricsReader.Read(run.Folder, Name(axes, run.Values)))
            .Where(metrics => metrics.Steps.Count > 0),
    ];

    /// <summary>A run's name in legends: the last parts of the paths and their values.</summary>
    private static string Name(IReadOnlyList<SweepAxis> axes, IReadOnlyList<string> values) =>
        string.Join(", ", axes.Select((axis, i) => $"{axis.Path[(axis.Path.LastIndexOf('.') + 1)..]}={values[i]}"));

    /// <summary>Cuts at commas, but not inside of JSON's brackets and quotes.</summary>
    private static List<string> Split(string text)
    {
        List<string> values = [];
        int depth = 0, start = 0;
        bool isQuoted = false;
        for (int i = 0; i <= text.Length; i++)
        {
            if (i == text.Length || (text[i] == ',' && depth == 0 && !isQuoted))
            {
                values.Add(text[start..i].Trim());
                start = i + 1;
                continue;
            }
            isQuoted ^= text[i] == '"';
            depth += isQuoted ? 0 : text[i] is '[' or '{' ? 1 : text[i] is ']' or '}' ? -1 : 0;
        }
        return values;
    }
}
