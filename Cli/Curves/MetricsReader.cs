using System.Text.Json;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Cli;

/// <summary>
/// Reads <c>metrics.jsonl</c>, also while the run that writes it goes on or after it was killed: what stands behind the last
/// line break is a line that is not whole yet, and a step that comes again takes the place of all that came after it before.
/// </summary>
internal static class MetricsReader
{
    /// <summary>The name of the file in a run's folder.</summary>
    public const string FileName = "metrics.jsonl";

    /// <summary>Reads the metrics of runs, and finds short names that tell them apart.</summary>
    /// <param name="paths">The runs' folders, or their files of metrics, or folders of runs.</param>
    /// <exception cref="InvalidInputException">There is no such file, or a whole line of it is damaged.</exception>
    public static List<RunMetrics> ReadAll(IReadOnlyList<string> paths)
    {
        string[] runs = [.. paths.SelectMany(Expand)];
        string[] names = RunNames.Of([.. runs.Select(path => File.Exists(path) ? Path.GetDirectoryName(Path.GetFullPath(path))! : path)]);
        return [.. runs.Select((path, i) => Read(path, names[i]))];
    }

    /// <summary>A folder of runs, as a sweep leaves one, stands for its runs; everything else for itself.</summary>
    private static IEnumerable<string> Expand(string path)
    {
        if (!Directory.Exists(path) || File.Exists(Path.Combine(path, FileName)))
            return [path];
        string[] runs = [.. Directory.EnumerateDirectories(path).Where(run => File.Exists(Path.Combine(run, FileName))).Order(StringComparer.Ordinal)];
        return runs.Length > 0 ? runs : [path];
    }

    /// <summary>Reads the metrics of a run.</summary>
    /// <param name="path">Its folder, or its file of metrics.</param>
    /// <param name="name">Its name in legends.</param>
    /// <exception cref="InvalidInputException">There is no such file, or a whole line of it is damaged.</exception>
    public static RunMetrics Read(string path, string name)
    {
        string file = Directory.Exists(path) ? Path.Combine(path, FileName) : path;
        if (!File.Exists(file))
            throw new InvalidInputException($"{file} does not exist; the folder of a run, or its {FileName}, is expected.");
        List<StepPoint> steps = [];
        List<EvaluationPoint> evaluations = [];
        int number = 0;
        foreach (ReadOnlyMemory<byte> line in WholeLines(ReadShared(file)))
        {
            number++;
            try
            {
                using JsonDocument json = JsonDocument.Parse(line);
                Add(json.RootElement, steps, evaluations);
            }
            catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException or KeyNotFoundException)
            {
                throw new InvalidInputException($"{file}, line {number}, is damaged: an object with a step and numbers is expected.", e);
            }
        }
        return new RunMetrics(name, steps, evaluations);
    }

    private static void Add(JsonElement json, List<StepPoint> steps, List<EvaluationPoint> evaluations)
    {
        long step = json.GetProperty("step").GetInt64();
        double validation = Number(json, "validation_loss");
        if (!double.IsNaN(validation))
        {
            evaluations.RemoveAll(point => point.Step >= step);
            evaluations.Add(new EvaluationPoint(
                step,
                TokensAt(steps, step),
                validation,
                Number(json, "validation_mtp_loss"),
                Number(json, "bits_per_byte"),
                Number(json, "accuracy"),
                Number(json, "mtp_acceptance")));
            return;
        }
        if (steps.Count > 0 && steps[^1].Step >= step)
        {
            steps.RemoveAll(point => point.Step >= step);
            evaluations.RemoveAll(point => point.Step >= step);
        }
        double main = Number(json, "main");
        steps.Add(new StepPoint(
            step,
            Number(json, "tokens"),
            double.IsNaN(main) ? Number(json, "loss") : main,
            Number(json, "mtp"),
            Number(json, "mtp_acceptance"),
            Number(json, "gradient_norm"),
            Number(json, "learning_rate"),
            json.TryGetProperty("load", out JsonElement load) ? [.. load.EnumerateArray().Select(value => value.GetDouble())] : null));
    }

    private static double TokensAt(List<StepPoint> steps, long step)
    {
        if (step == 0)
            return 0;
        for (int i = steps.Count - 1; i >= 0 && steps[i].Step >= step; i--)
            if (steps[i].Step == step)
                return steps[i].Tokens;
        return double.NaN;
    }

    private static double Number(JsonElement json, string name) =>
        json.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value.GetDouble() : double.NaN;

    /// <summary>The bytes of a file that another process may have open for writing.</summary>
    private static byte[] ReadShared(string file)
    {
        using FileStream stream = new(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using MemoryStream bytes = new();
        stream.CopyTo(bytes);
        return bytes.ToArray();
    }

    private static IEnumerable<ReadOnlyMemory<byte>> WholeLines(byte[] bytes)
    {
        for (int start = 0, length; (length = bytes.AsSpan(start).IndexOf((byte)'\n')) >= 0; start += length + 1)
            yield return bytes.AsMemory(start, length);
    }
}
