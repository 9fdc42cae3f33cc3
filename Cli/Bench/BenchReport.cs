using System.Text.Json;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Cli;

/// <summary>Everything that a run of <c>bench</c> found out.</summary>
internal sealed record BenchReport(
    string Model,
    string Kernels,
    int PromptTokens,
    int DecodeTokens,
    int Rounds,
    ActiveWeights Weights,
    MachineLimits? Limits,
    BenchResult Plain,
    BenchResult? Speculative)
{
    private double PrefillFlops => Weights.PrefillOperations(PromptTokens) / PromptTokens * Plain.Prefill.Median;

    private double DecodeBytes => Weights.Bytes * Plain.Decode.Median;

    /// <summary>The rows of the table: what, median, least, most, compared with the machine.</summary>
    public IEnumerable<IReadOnlyList<string>> Rows()
    {
        yield return Row("prefill", Plain.Prefill,
            Quantity.Text($"{PrefillFlops / 1e9:F1} GFLOP/s") + Share(PrefillFlops, Limits?.FlopsPerSecond));
        yield return Row("decode, plain", Plain.Decode,
            Quantity.Text($"{DecodeBytes / 1e9:F2} GB/s{Share(DecodeBytes, Limits?.ReadBytesPerSecond)}; {Quantity.Bytes(Weights.Bytes)} of active weights per token"));
        if (Speculative is not null)
            yield return Row($"decode, drafts by {Speculative.Drafter}", Speculative.Decode,
                Quantity.Text($"{Speculative.Decode.Median / Plain.Decode.Median:F2} times plain; {Speculative.Statistics.TokensPerPass:F2} tokens per pass, {100 * Speculative.Statistics.Acceptance:F0} % of drafts accepted"));
    }

    /// <summary>Writes the fields of the JSON object.</summary>
    public void Write(Utf8JsonWriter json)
    {
        json.WriteString("model", Model);
        json.WriteString("kernels", Kernels);
        json.WriteNumber("prompt_tokens", PromptTokens);
        json.WriteNumber("decode_tokens", DecodeTokens);
        json.WriteNumber("rounds", Rounds);
        json.WriteNumber("active_parameters", Weights.Parameters);
        json.WriteNumber("active_bytes_per_token", Weights.Bytes);
        if (Limits is { } limits)
        {
            json.WriteNumber("read_bytes_per_second", limits.ReadBytesPerSecond);
            json.WriteNumber("fma_flops_per_second", limits.FlopsPerSecond);
        }
        json.WriteStartObject("prefill");
        Write(json, Plain.Prefill);
        json.WriteNumber("flops_per_second", PrefillFlops);
        json.WriteEndObject();
        json.WriteStartObject("decode");
        Write(json, Plain.Decode);
        json.WriteNumber("bytes_per_second", DecodeBytes);
        json.WriteEndObject();
        if (Speculative is null)
            return;
        json.WriteStartObject("speculative");
        Write(json, Speculative.Decode);
        json.WriteString("drafter", Speculative.Drafter);
        json.WriteNumber("tokens_per_pass", Speculative.Statistics.TokensPerPass);
        json.WriteNumber("acceptance", Speculative.Statistics.Acceptance);
        json.WriteEndObject();
    }

    // The limits are measured for the processor alone.
    private static string Share(double rate, double? limit) =>
        limit is { } most ? Quantity.Text($", {100 * rate / most:F0} % of the measured {most / 1e9:F1}") : "";

    private static string[] Row(string what, Rates rates, string compared) =>
        [what, Quantity.Text($"{rates.Median:F2}"), Quantity.Text($"{rates.Least:F2}"), Quantity.Text($"{rates.Most:F2}"), compared];

    private static void Write(Utf8JsonWriter json, Rates rates)
    {
        json.WriteNumber("tokens_per_second", rates.Median);
        json.WriteNumber("tokens_per_second_least", rates.Least);
        json.WriteNumber("tokens_per_second_most", rates.Most);
    }
}
