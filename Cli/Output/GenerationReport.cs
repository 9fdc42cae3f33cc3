using System.Text.Json;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Cli;

/// <summary>What a generation gave, as a sentence and as the fields of a JSON object.</summary>
internal static class GenerationReport
{
    /// <summary>Writes <c>prompt_tokens</c>, <c>ids</c>, <c>text</c>, <c>log_probabilities</c>, <c>finish_reason</c> and <c>statistics</c>.</summary>
    public static void Write(Utf8JsonWriter json, GenerationResult result, string text, string? drafter)
    {
        json.WriteNumber("prompt_tokens", result.PromptTokens);
        json.WriteStartArray("ids");
        foreach (GeneratedToken token in result.Tokens)
            json.WriteNumberValue(token.Id);
        json.WriteEndArray();
        json.WriteString("text", text);
        json.WriteStartArray("log_probabilities");
        foreach (GeneratedToken token in result.Tokens)
            json.WriteNumberValue(token.LogProbability);
        json.WriteEndArray();
        json.WriteString("finish_reason", Name(result.Reason));
        json.WriteStartObject("statistics");
        json.WriteNumber("prefill_seconds", result.PrefillTime.TotalSeconds);
        json.WriteNumber("prefill_tokens_per_second", Rate(result.PromptTokens, result.PrefillTime));
        json.WriteNumber("decode_seconds", result.DecodeTime.TotalSeconds);
        json.WriteNumber("decode_tokens_per_second", DecodeRate(result));
        json.WriteString("drafter", drafter);
        json.WriteNumber("passes", result.Speculation.Passes);
        json.WriteNumber("drafted", result.Speculation.Drafted);
        json.WriteNumber("accepted", result.Speculation.Accepted);
        json.WriteNumber("acceptance", result.Speculation.Acceptance);
        json.WriteNumber("tokens_per_pass", result.Speculation.TokensPerPass);
        json.WriteEndObject();
    }

    /// <summary>One line for standard error.</summary>
    public static string Summary(GenerationResult result, string? drafter)
    {
        SpeculationStatistics speculation = result.Speculation;
        string drafts = drafter is null || speculation.Drafted == 0 ? "" : Quantity.Text(
            $"; {speculation.TokensPerPass:F2} tokens per pass, {speculation.Accepted} of {speculation.Drafted} drafts of {drafter} accepted");
        return Quantity.Text(
            $"{result.PromptTokens} prompt tokens ({Rate(result.PromptTokens, result.PrefillTime):F1}/s), {result.Tokens.Count} tokens ({DecodeRate(result):F1}/s), ended by {Words(result.Reason)}{drafts}.");
    }

    public static string Name(FinishReason reason) => reason switch
    {
        FinishReason.StopToken => "stop_token",
        FinishReason.StopString => "stop_string",
        FinishReason.Length => "length",
        FinishReason.ContextFull => "context_full",
        _ => "cancelled",
    };

    /// <summary>Things per second; 0 where no time passed.</summary>
    public static double Rate(double count, TimeSpan time) => time > TimeSpan.Zero ? count / time.TotalSeconds : 0;

    // The first token comes out of the prefill.
    private static double DecodeRate(GenerationResult result) => Rate(Math.Max(result.Tokens.Count - 1, 0), result.DecodeTime);

    private static string Words(FinishReason reason) => reason switch
    {
        FinishReason.StopToken => "a stop token",
        FinishReason.StopString => "a stop string",
        FinishReason.Length => "--max-tokens",
        FinishReason.ContextFull => "the end of the context",
        _ => "Ctrl+C",
    };
}
