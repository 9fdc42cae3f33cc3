using System.Buffers;
using System.Text;
using System.Text.Json;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>metrics.jsonl: a line for each step and each evaluation, on the disk's way as soon as it is written.</summary>
internal sealed class MetricsFile : IDisposable
{
    private readonly FileStream _stream;
    private readonly ArrayBufferWriter<byte> _line = new();

    /// <summary>Opens the file and drops what was written after a step, a line that is cut too.</summary>
    /// <param name="path">The file.</param>
    /// <param name="lastStep">The step of the checkpoint that the run goes on from.</param>
    public MetricsFile(string path, long lastStep)
    {
        try
        {
            if (File.Exists(path))
                Truncate(path, lastStep);
            _stream = new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.Read, bufferSize: 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(path, e);
        }
    }

    public void Write(StepMetrics step) => Write(json =>
    {
        json.WriteNumber("step", step.Step);
        json.WriteNumber("tokens", step.Tokens);
        Number(json, "loss", step.Loss);
        Number(json, "main", step.Main);
        Number(json, "mtp", step.Mtp);
        Number(json, "mtp_acceptance", step.MtpAcceptance);
        Number(json, "balance", step.Balance);
        Number(json, "z", step.RouterZ);
        if (step.Extra != 0)
            Number(json, "extra", step.Extra);
        Number(json, "gradient_norm", step.GradientNorm);
        Number(json, "learning_rate", step.LearningRate);
        json.WriteNumber("skipped", step.Skipped);
        json.WriteStartArray("load");
        foreach (double load in step.Load)
            json.WriteNumberValue(Math.Round(load, 4));
        json.WriteEndArray();
        Number(json, "seconds", Math.Round(step.Seconds, 6));
        Number(json, "tokens_per_second", Math.Round(step.TokensPerSecond, 1));
        Number(json, "flops_per_second", Math.Round(step.FlopsPerSecond));
        if (step.PeakShare is { } share)
            Number(json, "peak_share", Math.Round(share, 4));
    });

    public void Write(EvaluationMetrics evaluation) => Write(json =>
    {
        json.WriteNumber("step", evaluation.Step);
        Number(json, "validation_loss", evaluation.Loss);
        Number(json, "validation_mtp_loss", evaluation.MtpLoss);
        Number(json, "bits_per_byte", evaluation.BitsPerByte);
        Number(json, "accuracy", evaluation.Accuracy);
        Number(json, "mtp_acceptance", evaluation.MtpAcceptance);
        Number(json, "seconds", Math.Round(evaluation.Seconds, 6));
    });

    public void Dispose() => _stream.Dispose();

    // JSON has no NaN and no infinity: such a value is left out.
    private static void Number(Utf8JsonWriter json, string name, double value)
    {
        if (double.IsFinite(value))
            json.WriteNumber(name, value);
    }

    private void Write(Action<Utf8JsonWriter> content)
    {
        _line.ResetWrittenCount();
        using (Utf8JsonWriter json = new(_line))
        {
            json.WriteStartObject();
            content(json);
            json.WriteEndObject();
        }
        _line.Write("\n"u8);
        try
        {
            _stream.Write(_line.WrittenSpan);
            _stream.Flush();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(_stream.Name, e);
        }
    }

    private static void Truncate(string path, long lastStep)
    {
        byte[] bytes = File.ReadAllBytes(path);
        int kept = 0;
        while (kept < bytes.Length)
        {
            int length = bytes.AsSpan(kept).IndexOf((byte)'\n') + 1;
            if (length == 0 || StepOf(bytes.AsSpan(kept, length)) is not { } step || step > lastStep)
                break;
            kept += length;
        }
        if (kept == bytes.Length)
            return;
        using AtomicFile file = new(path, kept);
        file.Write(bytes.AsSpan(0, kept));
        file.Commit();
    }

    private static long? StepOf(ReadOnlySpan<byte> line)
    {
        try
        {
            Utf8JsonReader reader = new(line);
            using JsonDocument document = JsonDocument.ParseValue(ref reader);
            return document.RootElement.TryGetProperty("step", out JsonElement step) && step.TryGetInt64(out long value) ? value : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private static InvalidInputException Unwritable(string path, Exception e) => new($"The file {path} cannot be written: {e.Message.TrimEnd('.')}.", e);
}
