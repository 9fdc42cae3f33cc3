using Mellum2.Managed.Training;

namespace Mellum2.Managed.Cli;

/// <summary>One run from its plan to its table.</summary>
internal static class RunSession
{
    /// <summary>Starts a run and trains to its end.</summary>
    /// <returns>The exit code.</returns>
    public static int Start(Terminal terminal, TrainSettings settings, RunConfiguration run, string folder) =>
        Run(terminal, settings, run, folder, options => Trainer.Start(run, folder, options, terminal.Cancel));

    /// <summary>Goes on with a run.</summary>
    /// <returns>The exit code.</returns>
    public static int Resume(Terminal terminal, TrainSettings settings, string folder)
    {
        RunConfiguration? changed = null;
        string file = Path.Combine(folder, RunFolder.ConfigurationName);
        if (File.Exists(file))
            changed = settings.Apply(RunConfiguration.Load(file));
        return Run(terminal, settings, changed, folder, options => Trainer.Resume(folder, changed, options, terminal.Cancel));
    }

    /// <summary>The checkpoint to generate from: the best one, or where there is none the last.</summary>
    public static string BestOf(RunFolder folder, TrainingSummary summary) => Directory.Exists(folder.Best) ? folder.Best : summary.LastCheckpoint;

    /// <summary>How to go on with a run that was stopped.</summary>
    public static string ResumeHint(TrainingSummary summary, string folder) => Quantity.Text(
        $"Stopped after step {summary.Step}; {Shown(summary.LastCheckpoint)} has all of it. To go on: mellum2 train --resume {Shown(folder)}");

    /// <summary>A path as a shell takes it here.</summary>
    public static string Shown(string path)
    {
        string relative = Path.GetRelativePath(".", path), shown = relative.StartsWith("..", StringComparison.Ordinal) ? path : relative;
        return shown.Contains(' ', StringComparison.Ordinal) ? $"\"{shown}\"" : shown;
    }

    private static int Run(Terminal terminal, TrainSettings settings, RunConfiguration? run, string folder, Func<TrainerOptions, Trainer> create)
    {
        double peak = MachinePeak.Measure(run?.Threads ?? 0);
        CurveRecorder curves = new(RunNames.Of([folder])[0], terminal.Note);
        TrainingMonitor monitor = new(terminal, curves, peak, settings.LinesEvery);
        try
        {
            using Trainer trainer = create(settings.Options(monitor, peak));
            curves.Show(new LivePicture(Path.Combine(trainer.Folder.Path, CurvePicture.FileName), []));
            TrainingSummary summary = trainer.Run(terminal.Cancel);
            return Report(terminal, settings, trainer.Folder, folder, summary, monitor.LastEvaluation);
        }
        finally
        {
            monitor.Close();
        }
    }

    private static int Report(
        Terminal terminal, TrainSettings settings, RunFolder run, string folder, TrainingSummary summary, EvaluationMetrics? evaluation)
    {
        string checkpoint = BestOf(run, summary);
        if (settings.Json)
            terminal.WriteJson(json => RunReport.Write(json, folder, summary, evaluation, checkpoint));
        else if (!summary.IsCancelled)
            terminal.WriteTable(["", ""], RunReport.Rows(summary, evaluation, checkpoint));
        if (summary.IsCancelled)
        {
            terminal.Note(ResumeHint(summary, folder));
            return ExitCode.Cancelled;
        }
        terminal.Note($"Curves: {Shown(Path.Combine(folder, CurvePicture.FileName))}. To generate: mellum2 generate --model {Shown(checkpoint)} --prompt TEXT");
        return ExitCode.Success;
    }
}
