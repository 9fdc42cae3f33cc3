using System.Text.Json;
using Mellum2.Managed.Model;
using Mellum2.Managed.Training;

namespace Mellum2.Managed.Cli;

/// <summary>What a demonstration found.</summary>
internal sealed class DemoReport(DemoCorpus corpus, TokenizerTrainingReport tokenizer)
{
    private const int DecodeTokens = 128;
    private const int Rounds = 3;

    // A model that lives in the caches pays for every draft; one is what an acceptance below a half can bear.
    private const int Drafts = 1;

    private EvaluationMetrics? _first;
    private EvaluationMetrics? _best;
    private TrainingPlan? _plan;
    private TrainingSummary? _summary;
    private BenchResult? _plain;
    private BenchResult? _speculative;

    /// <summary>The sample of random weights; null where none was taken.</summary>
    public DemoSample? Before { get; set; }

    /// <summary>The sample of the best weights.</summary>
    public DemoSample? After { get; set; }

    /// <summary>How long all of it took.</summary>
    public TimeSpan Time { get; set; }

    /// <summary>The best weights.</summary>
    public string Checkpoint { get; private set; } = "";

    public void Evaluated(EvaluationMetrics evaluation) =>
        (_first, _best) = (_first ?? evaluation, evaluation.IsBest ? evaluation : _best);

    public void Trained(TrainingPlan plan, TrainingSummary summary, string checkpoint) => (_plan, _summary, Checkpoint) = (plan, summary, checkpoint);

    /// <summary>Measures plain and speculative greedy decoding in turns.</summary>
    public void Measure(Mellum mellum, string prompt, CancellationToken cancel)
    {
        int[] ids = mellum.Tokenizer.Encode(prompt);
        int context = Math.Min(mellum.Model.Configuration.MaximumPositions, ids.Length + DecodeTokens + SpeculationOptions.MostDrafts + 2);
        BenchRun run = new(mellum.Model, ids, DecodeTokens, Rounds, context, cancel);
        List<SpeculationOptions> ways = [SpeculationOptions.Off];
        if (mellum.Model.HasMtp)
            ways.Add(new SpeculationOptions(DraftKind.Mtp, Drafts));
        BenchResult[] results = run.Measure(ways, (_, _) => { });
        (_plain, _speculative) = (results[0], results.Length > 1 ? results[1] : null);
    }

    /// <summary>The table.</summary>
    public IEnumerable<IReadOnlyList<string>> Rows()
    {
        yield return ["source text", Quantity.Text($"{Quantity.Bytes(corpus.Bytes)} in {corpus.Training.Count + corpus.HeldOut.Count:N0} files")];
        yield return ["tokenizer", Quantity.Text($"{tokenizer.VocabularySize:N0} tokens, {tokenizer.BytesPerToken:F2} bytes per token")];
        yield return ["model", Quantity.Text($"{_plan!.Parameters:N0} parameters, {_plan.ActiveParameters:N0} active per token")];
        yield return ["trained", Quantity.Text($"{_summary!.Step:N0} steps, {_summary.Tokens:N0} tokens, {_summary.TokensPerSecond:F0} tokens per second")];
        if (_first is not null && _best is not null)
        {
            yield return ["validation loss", Change(_first.Loss, _best.Loss, "F3")];
            yield return ["bits per byte", Change(_first.BitsPerByte, _best.BitsPerByte, "F3")];
            yield return ["next-token accuracy", Change(100 * _first.Accuracy, 100 * _best.Accuracy, "F1") + " %"];
            if (double.IsFinite(_best.MtpAcceptance))
                yield return ["MTP greedy acceptance", Change(100 * _first.MtpAcceptance, 100 * _best.MtpAcceptance, "F1") + " %"];
        }
        yield return ["plain decoding", Quantity.Text($"{_plain!.Decode.Median:F0} tokens per second")];
        if (_speculative is { } fast)
            yield return ["speculative decoding", Quantity.Text($"{fast.Decode.Median:F0} tokens per second ({fast.Decode.Median / _plain.Decode.Median:F2} times), {fast.Statistics.TokensPerPass:F2} tokens per pass, {100 * fast.Statistics.Acceptance:F0} % of the drafts accepted")];
        yield return ["time", StepLine.Duration(Time)];
        yield return ["checkpoint", RunSession.Shown(Checkpoint)];
    }

    /// <summary>The fields of the JSON object.</summary>
    public void Write(Utf8JsonWriter json)
    {
        json.WriteNumber("bytes", corpus.Bytes);
        json.WriteNumber("files", corpus.Training.Count + corpus.HeldOut.Count);
        json.WriteNumber("vocabulary", tokenizer.VocabularySize);
        json.WriteNumber("bytes_per_token", tokenizer.BytesPerToken);
        json.WriteNumber("parameters", _plan!.Parameters);
        json.WriteNumber("step", _summary!.Step);
        json.WriteNumber("tokens", _summary.Tokens);
        json.WriteNumber("tokens_per_second", _summary.TokensPerSecond);
        if (_first is not null && _best is not null)
        {
            RunReport.Number(json, "validation_loss_before", _first.Loss);
            RunReport.Number(json, "validation_loss", _best.Loss);
            RunReport.Number(json, "bits_per_byte_before", _first.BitsPerByte);
            RunReport.Number(json, "bits_per_byte", _best.BitsPerByte);
            RunReport.Number(json, "accuracy", _best.Accuracy);
            RunReport.Number(json, "mtp_acceptance", _best.MtpAcceptance);
        }
        json.WriteNumber("plain_tokens_per_second", _plain!.Decode.Median);
        if (_speculative is { } fast)
        {
            json.WriteNumber("speculative_tokens_per_second", fast.Decode.Median);
            json.WriteNumber("tokens_per_pass", fast.Statistics.TokensPerPass);
        }
        if (Before is not null)
            json.WriteString("sample_before", Before.Continuation);
        json.WriteString("prompt", After!.Prompt);
        json.WriteString("sample_after", After.Continuation);
        json.WriteNumber("seconds", Time.TotalSeconds);
        json.WriteString("checkpoint", Checkpoint);
    }

    private static string Change(double before, double after, string format) =>
        before.ToString(format, System.Globalization.CultureInfo.InvariantCulture) + " → " + after.ToString(format, System.Globalization.CultureInfo.InvariantCulture);
}
