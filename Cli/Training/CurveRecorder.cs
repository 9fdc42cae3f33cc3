using System.Diagnostics;
using Mellum2.Managed.Training;

namespace Mellum2.Managed.Cli;

/// <summary>A picture that a run keeps up to date.</summary>
/// <param name="Path">The file.</param>
/// <param name="Others">The runs that it shows beside the one that goes on.</param>
internal sealed record LivePicture(string Path, IReadOnlyList<RunMetrics> Others);

/// <summary>
/// Follows a run's metrics and renews its pictures every few seconds, the less often the longer drawing takes, so that watching a run
/// does not slow it down. A picture that cannot be written is given up; the run goes on.
/// </summary>
internal sealed class CurveRecorder(string name, Action<string> note)
{
    private const int DrawingShare = 100;
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(5);

    private readonly List<StepPoint> _steps = [];
    private readonly List<EvaluationPoint> _evaluations = [];
    private readonly List<LivePicture> _pictures = [];
    private long _last = Stopwatch.GetTimestamp();
    private TimeSpan _pause = s_interval;

    /// <summary>What the run has reported so far.</summary>
    public RunMetrics Metrics => new(name, _steps, _evaluations);

    /// <summary>Adds a picture to keep up to date.</summary>
    public void Show(LivePicture picture) => _pictures.Add(picture);

    /// <summary>Takes over what the run reported before it was resumed.</summary>
    public void Continue(string folder)
    {
        RunMetrics before = MetricsReader.Read(folder, name);
        _steps.AddRange(before.Steps);
        _evaluations.AddRange(before.Evaluations);
    }

    public void Add(StepMetrics step)
    {
        _steps.Add(new StepPoint(
            step.Step, step.Tokens, step.Main, step.Mtp, step.MtpAcceptance, step.GradientNorm, step.LearningRate, [.. step.Load]));
        if (Stopwatch.GetElapsedTime(_last) >= _pause)
            Draw();
    }

    public void Add(EvaluationMetrics evaluation) => _evaluations.Add(new EvaluationPoint(
        evaluation.Step,
        evaluation.Step == 0 ? 0 : _steps.Count > 0 ? _steps[^1].Tokens : double.NaN,
        evaluation.Loss,
        evaluation.MtpLoss,
        evaluation.BitsPerByte,
        evaluation.Accuracy,
        evaluation.MtpAcceptance));

    /// <summary>Renews the pictures now.</summary>
    public void Draw()
    {
        if (_steps.Count == 0 && _evaluations.Count == 0)
            return;
        long start = Stopwatch.GetTimestamp();
        foreach (LivePicture picture in _pictures.ToArray())
        {
            try
            {
                CurvePicture.Save(picture.Path, [.. picture.Others, Metrics], CurveAxis.Steps);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                _pictures.Remove(picture);
                note($"{picture.Path} cannot be written and is not renewed any more: {e.Message.TrimEnd('.')}.");
            }
        }
        _last = Stopwatch.GetTimestamp();
        TimeSpan least = DrawingShare * Stopwatch.GetElapsedTime(start, _last);
        _pause = least > s_interval ? least : s_interval;
    }
}
