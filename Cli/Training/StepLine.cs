using System.Text;
using Mellum2.Managed.Training;

namespace Mellum2.Managed.Cli;

/// <summary>A step on one line: how well the model learns, how fast, and how long it will take.</summary>
internal static class StepLine
{
    /// <summary>The line.</summary>
    /// <param name="step">The step.</param>
    /// <param name="tokensPerSecond">The rate of late.</param>
    /// <param name="left">The time until the last step; null where it is not known.</param>
    public static string Of(StepMetrics step, double tokensPerSecond, TimeSpan? left)
    {
        StringBuilder line = new();
        line.Append(Quantity.Text($"{step.Step}/{step.Steps}"));
        if (left is { } time)
            line.Append(Quantity.Text($"  {Duration(time)} left"));
        if (double.IsFinite(step.Main) || !double.IsFinite(step.Mtp))
            line.Append(Quantity.Text($"  loss {step.Main:F3}"));
        if (double.IsFinite(step.Mtp))
            line.Append(Quantity.Text($"  mtp {step.Mtp:F3}"));
        if (double.IsFinite(step.MtpAcceptance))
            line.Append(Quantity.Text($" ({100 * step.MtpAcceptance:F0} % accepted)"));
        line.Append(Quantity.Text($"  grad {step.GradientNorm:G3}  lr {step.LearningRate:G3}  {Rate(tokensPerSecond)} tok/s"));
        if (step.PeakShare is { } share)
            line.Append(Quantity.Text($"  {100 * share:F0} % of peak"));
        if (step.Load.Count > 0)
            line.Append(Quantity.Text($"  load {step.Load.Max():F2}"));
        if (step.Skipped > 0)
            line.Append(Quantity.Text($"  {step.Skipped} skipped"));
        return line.ToString();
    }

    /// <summary>An evaluation on one line.</summary>
    public static string Of(EvaluationMetrics evaluation)
    {
        StringBuilder line = new();
        line.Append(Quantity.Text($"step {evaluation.Step}: validation loss {evaluation.Loss:F4}"));
        if (double.IsFinite(evaluation.BitsPerByte))
            line.Append(Quantity.Text($", {evaluation.BitsPerByte:F4} bits per byte"));
        line.Append(Quantity.Text($", {100 * evaluation.Accuracy:F1} % of next tokens right"));
        if (double.IsFinite(evaluation.MtpLoss))
            line.Append(Quantity.Text($"; MTP loss {evaluation.MtpLoss:F4}, {100 * evaluation.MtpAcceptance:F1} % accepted"));
        return line.Append(evaluation.IsBest ? "; the best so far" : "").ToString();
    }

    /// <summary>A rate with three digits: 812, 12.4k.</summary>
    public static string Rate(double perSecond) => perSecond switch
    {
        >= 1e6 => Quantity.Text($"{perSecond / 1e6:F2}M"),
        >= 1e4 => Quantity.Text($"{perSecond / 1e3:F1}k"),
        _ => Quantity.Text($"{perSecond:F0}"),
    };

    /// <summary>A time as people read clocks: 0:42, 12:05, 3:07:00.</summary>
    public static string Duration(TimeSpan time) =>
        time.TotalHours >= 1 ? Quantity.Text($"{(int)time.TotalHours}:{time.Minutes:D2}:{time.Seconds:D2}") : Quantity.Text($"{time.Minutes}:{time.Seconds:D2}");
}
