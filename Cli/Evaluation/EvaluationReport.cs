using System.Text.Json;
using Mellum2.Managed.Training;

namespace Mellum2.Managed.Cli;

/// <summary>What an evaluation found, as rows of a table and as the fields of a JSON object.</summary>
internal static class EvaluationReport
{
    /// <summary>Names and values.</summary>
    public static IEnumerable<IReadOnlyList<string>> Rows(EvaluationResult sums, long bytes)
    {
        yield return ["tokens", Quantity.Count(sums.Rows)];
        yield return ["bytes", Quantity.Count(bytes)];
        yield return ["loss", Quantity.Text($"{sums.MeanLoss:F4}")];
        yield return ["perplexity", Quantity.Text($"{Math.Exp(sums.MeanLoss):F3}")];
        yield return ["bits per byte", Quantity.Text($"{sums.BitsPerByte(bytes):F4}")];
        yield return ["next-token accuracy", Quantity.Text($"{100 * sums.Accuracy:F2} %")];
        if (sums.MtpRows == 0)
            yield break;
        yield return ["MTP loss", Quantity.Text($"{sums.MeanMtpLoss:F4}")];
        yield return ["MTP greedy acceptance", Quantity.Text($"{100 * sums.MtpAcceptance:F2} %")];
    }

    /// <summary>Writes <c>tokens</c>, <c>bytes</c>, <c>loss</c>, <c>perplexity</c>, <c>bits_per_byte</c>, <c>accuracy</c>, and, where there is an MTP head, <c>mtp_loss</c> and <c>mtp_acceptance</c>.</summary>
    public static void Write(Utf8JsonWriter json, EvaluationResult sums, long bytes)
    {
        json.WriteNumber("tokens", sums.Rows);
        json.WriteNumber("bytes", bytes);
        json.WriteNumber("loss", sums.MeanLoss);
        json.WriteNumber("perplexity", Math.Exp(sums.MeanLoss));
        json.WriteNumber("bits_per_byte", sums.BitsPerByte(bytes));
        json.WriteNumber("accuracy", sums.Accuracy);
        if (sums.MtpRows == 0)
            return;
        json.WriteNumber("mtp_loss", sums.MeanMtpLoss);
        json.WriteNumber("mtp_acceptance", sums.MtpAcceptance);
    }
}
