using System.Text.Json;
using Mellum2.Managed.Training;

namespace Mellum2.Managed.Cli;

/// <summary>How a run ended: a table or a JSON object, and what to do next.</summary>
internal static class RunReport
{
    /// <summary>The table.</summary>
    public static IEnumerable<IReadOnlyList<string>> Rows(TrainingSummary summary, EvaluationMetrics? evaluation, string checkpoint)
    {
        yield return ["steps", Quantity.Count(summary.Step)];
        yield return ["tokens", Quantity.Count(summary.Tokens)];
        if (summary.Skipped > 0)
            yield return ["skipped steps", Quantity.Count(summary.Skipped)];
        yield return ["time", StepLine.Duration(TimeSpan.FromSeconds(summary.Seconds))];
        yield return ["tokens per second", Quantity.Text($"{summary.TokensPerSecond:F0}")];
        if (evaluation is not null)
            foreach (IReadOnlyList<string> row in Rows(evaluation))
                yield return row;
        if (summary.Best is { } best)
            yield return [evaluation is { } last && last.DecidingLoss == last.MtpLoss ? "best MTP loss" : "best validation loss", Quantity.Text($"{best.Loss:F4} (step {best.Step})")];
        yield return ["checkpoint", RunSession.Shown(checkpoint)];
    }

    /// <summary>The rows of an evaluation.</summary>
    public static IEnumerable<IReadOnlyList<string>> Rows(EvaluationMetrics evaluation)
    {
        yield return ["validation loss", Quantity.Text($"{evaluation.Loss:F4}")];
        if (double.IsFinite(evaluation.BitsPerByte))
            yield return ["bits per byte", Quantity.Text($"{evaluation.BitsPerByte:F4}")];
        yield return ["next-token accuracy", Quantity.Text($"{100 * evaluation.Accuracy:F2} %")];
        if (!double.IsFinite(evaluation.MtpLoss))
            yield break;
        yield return ["MTP loss", Quantity.Text($"{evaluation.MtpLoss:F4}")];
        yield return ["MTP greedy acceptance", Quantity.Text($"{100 * evaluation.MtpAcceptance:F2} %")];
    }

    /// <summary>The fields of the JSON object.</summary>
    public static void Write(Utf8JsonWriter json, string folder, TrainingSummary summary, EvaluationMetrics? evaluation, string checkpoint)
    {
        json.WriteString("output", folder);
        json.WriteNumber("step", summary.Step);
        json.WriteNumber("tokens", summary.Tokens);
        json.WriteNumber("skipped", summary.Skipped);
        json.WriteBoolean("cancelled", summary.IsCancelled);
        json.WriteNumber("seconds", summary.Seconds);
        json.WriteNumber("tokens_per_second", summary.TokensPerSecond);
        if (evaluation is not null)
        {
            Number(json, "validation_loss", evaluation.Loss);
            Number(json, "bits_per_byte", evaluation.BitsPerByte);
            Number(json, "accuracy", evaluation.Accuracy);
            Number(json, "validation_mtp_loss", evaluation.MtpLoss);
            Number(json, "mtp_acceptance", evaluation.MtpAcceptance);
        }
        if (summary.Best is { } best)
        {
            Number(json, "best_validation_loss", best.Loss);
            json.WriteNumber("best_step", best.Step);
        }
        json.WriteString("checkpoint", checkpoint);
    }

    /// <summary>A number, unless JSON cannot say it.</summary>
    public static void Number(Utf8JsonWriter json, string name, double value)
    {
        if (double.IsFinite(value))
            json.WriteNumber(name, value);
    }
}
