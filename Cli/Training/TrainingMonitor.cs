using System.Diagnostics;
using Mellum2.Managed.Training;

namespace Mellum2.Managed.Cli;

/// <summary>
/// Shows a run while it goes on: what it is going to do, then a line that moves on a terminal, or a line every few steps where
/// standard error is none; evaluations in any case; and the pictures of its curves.
/// </summary>
internal sealed class TrainingMonitor(Terminal terminal, CurveRecorder curves, double peak, int linesEvery) : ITrainingObserver
{
    // The weight of a step's rate among those before it, so that the figure can be read.
    private const double RateShare = 0.1;

    // A line that is longer than the terminal is wide is cut off there and not wrapped.
    private const string ClearLine = "\r\e[K", WrapOff = "\e[?7l", WrapOn = "\e[?7h";
    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(150);

    private readonly long _created = Stopwatch.GetTimestamp();
    private ProgressLine? _preparing;
    private string _prepared = "";
    private long _start;
    private long _firstStep;
    private double _rate;
    private TimeSpan _shown;
    private bool _isLineShown;

    /// <summary>What the run was going to do; null before it is known.</summary>
    public TrainingPlan? Plan { get; private set; }

    /// <summary>The last evaluation; null before the first.</summary>
    public EvaluationMetrics? LastEvaluation { get; private set; }

    /// <summary>The last step; null before the first.</summary>
    public StepMetrics? LastStep { get; private set; }

    /// <summary>Called with every evaluation, after it has been shown.</summary>
    public Action<EvaluationMetrics>? AfterEvaluation { get; init; }

    /// <summary>Called with every checkpoint.</summary>
    public Action<CheckpointMetrics>? AfterCheckpoint { get; init; }

    /// <summary>Whether the plan is shown.</summary>
    public bool ShowsPlan { get; init; } = true;

    public void Preparing(string what, double done, double total)
    {
        if (_prepared != what)
        {
            _preparing?.Dispose();
            (_preparing, _prepared) = (new ProgressLine(terminal, what + ":", what.StartsWith("Tokenising", StringComparison.Ordinal) ? "MB" : "samples"), what);
        }
        _preparing!.Report(done, total);
    }

    public void Note(string sentence)
    {
        Clear();
        terminal.Note(sentence);
    }

    public void Planned(TrainingPlan plan)
    {
        _preparing?.Dispose();
        Plan = plan;
        if (plan.FirstStep > 1)
            curves.Continue(plan.Folder);
        if (ShowsPlan)
            foreach (string line in PlanReport.Lines(plan, peak))
                terminal.Note(line);
        (_start, _firstStep) = (Stopwatch.GetTimestamp(), plan.FirstStep);
    }

    public void Stepped(StepMetrics step)
    {
        LastStep = step;
        curves.Add(step);
        _rate = _rate == 0 ? step.TokensPerSecond : (1 - RateShare) * _rate + RateShare * step.TokensPerSecond;
        TimeSpan elapsed = Stopwatch.GetElapsedTime(_start);
        long taken = step.Step - _firstStep + 1;
        if (step.IsSkipped)
            Note(Quantity.Text($"Step {step.Step} is skipped: its loss or its gradient is not finite."));
        // The first step allocates and compiles; it says little about those that follow.
        TimeSpan? left = taken < 2 ? null : elapsed / taken * (step.Steps - step.Step);
        if (terminal.IsErrorTerminal)
        {
            TimeSpan now = Stopwatch.GetElapsedTime(_created);
            if (now - _shown < s_interval && step.Step < step.Steps)
                return;
            (_shown, _isLineShown) = (now, true);
            terminal.Error.Write(ClearLine + WrapOff + StepLine.Of(step, _rate, left) + WrapOn);
            terminal.Error.Flush();
        }
        else if (linesEvery > 0 && (step.Step % linesEvery == 0 || taken == 1 || step.Step == step.Steps))
            terminal.Note(StepLine.Of(step, _rate, left));
    }

    public void Evaluated(EvaluationMetrics evaluation)
    {
        LastEvaluation = evaluation;
        curves.Add(evaluation);
        Note(StepLine.Of(evaluation));
        AfterEvaluation?.Invoke(evaluation);
    }

    public void Checkpointed(CheckpointMetrics checkpoint) => AfterCheckpoint?.Invoke(checkpoint);

    public void Finished(TrainingSummary summary) => Close();

    /// <summary>Ends lines that move, and draws the pictures once more: also after a failure.</summary>
    public void Close()
    {
        _preparing?.Dispose();
        Clear();
        curves.Draw();
    }

    private void Clear()
    {
        if (!_isLineShown)
            return;
        terminal.Error.Write(ClearLine);
        _isLineShown = false;
    }
}
