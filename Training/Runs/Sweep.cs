using System.Text;
using System.Text.Json;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Training;

/// <summary>A value of a run file that a sweep changes.</summary>
/// <param name="Path">Its dotted path, as <see cref="RunConfiguration.Set"/> takes it.</param>
/// <param name="Values">What it is set to, one after the other.</param>
public sealed record SweepAxis(string Path, IReadOnlyList<string> Values);

/// <summary>A run of a sweep.</summary>
/// <param name="Values">The values of the axes, in their order.</param>
/// <param name="Folder">The run's folder.</param>
/// <param name="Configuration">The run.</param>
public sealed record SweepRun(IReadOnlyList<string> Values, string Folder, RunConfiguration Configuration);

/// <summary>A row of a sweep's table.</summary>
/// <param name="Values">The values of the axes, in their order.</param>
/// <param name="Folder">The run's folder.</param>
/// <param name="LastValidationLoss">The loss of the last evaluation; null if there is none.</param>
/// <param name="BestValidationLoss">The least one; null if there is none.</param>
/// <param name="TokensPerSecond">Tokens a second, of the process that finished the run.</param>
/// <param name="Failure">Why the run did not get to its end: its losses were not finite. Null if it did.</param>
public sealed record SweepResult(
    IReadOnlyList<string> Values, string Folder, double? LastValidationLoss, double? BestValidationLoss, double TokensPerSecond, string? Failure);

/// <summary>What a sweep gave.</summary>
/// <param name="Results">The runs that are finished, in the order of the sweep.</param>
/// <param name="IsCancelled">Whether it was cancelled before the last one.</param>
public sealed record SweepReport(IReadOnlyList<SweepResult> Results, bool IsCancelled);

/// <summary>
/// Runs with every combination of some values, each in a folder of its own below the sweep's, on data that is tokenised once. A sweep
/// that was ended goes on when it is started again: finished runs are not repeated, and the one that was under way is resumed.
/// </summary>
public static class Sweep
{
    private const string ResultName = "result.json", BaseName = "sweep.json";
    private static readonly JsonSerializerOptions s_options = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary>The runs of a sweep; the last axis changes fastest.</summary>
    /// <param name="run">The run whose values change.</param>
    /// <param name="axes">The values.</param>
    /// <param name="folder">The sweep's folder.</param>
    /// <exception cref="InvalidInputException">A path or a value cannot be, or is there twice.</exception>
    public static IReadOnlyList<SweepRun> Plan(RunConfiguration run, IReadOnlyList<SweepAxis> axes, string folder)
    {
        if (axes.Count == 0 || axes.FirstOrDefault(axis => axis.Values.Count == 0) is not null)
            throw new InvalidInputException("A sweep needs a path and at least one value for it, as optimizer.learning_rate=1e-3,3e-3.");
        List<SweepRun> runs = [new([], folder, run)];
        foreach (SweepAxis axis in axes)
            runs = [.. runs.SelectMany(one => axis.Values, (one, value) => new SweepRun([.. one.Values, value], folder, one.Configuration.Set(axis.Path, value)))];
        HashSet<string> names = new(StringComparer.OrdinalIgnoreCase);
        for (int i = 0; i < runs.Count; i++)
        {
            string name = FileName(string.Join(',', axes.Select((axis, index) => $"{axis.Path}={runs[i].Values[index]}")));
            if (!names.Add(name))
                throw new InvalidInputException($"The sweep has the run {name} twice.");
            runs[i] = runs[i] with { Folder = Path.Combine(folder, name) };
        }
        return runs;
    }

    /// <summary>Runs what is not finished yet.</summary>
    /// <param name="run">The run whose values change.</param>
    /// <param name="axes">The values; later more can be added.</param>
    /// <param name="folder">The sweep's folder: new, empty, or that of the same sweep.</param>
    /// <param name="options">Gives each run its options; null for none. The data is shared in any case.</param>
    /// <param name="cancel">Ends the sweep; the run that is under way writes a checkpoint first.</param>
    /// <exception cref="InvalidInputException">A value cannot be, the folder holds something else, or a run cannot go on.</exception>
    public static SweepReport Run(
        RunConfiguration run, IReadOnlyList<SweepAxis> axes, string folder, Func<SweepRun, TrainerOptions>? options = null, CancellationToken cancel = default)
    {
        IReadOnlyList<SweepRun> runs = Plan(run.Checked(), axes, folder);
        Claim(run.Checked(), axes, folder);
        List<SweepResult> results = [];
        foreach (SweepRun one in runs)
        {
            if (Finished(one) is { } known)
            {
                results.Add(known);
                continue;
            }
            cancel.ThrowIfCancellationRequested();
            TrainerOptions own = (options?.Invoke(one) ?? new TrainerOptions()) with { DataCache = Path.Combine(folder, "data") };
            SweepResult? result = Train(one, own, cancel);
            if (result is null)
                return new SweepReport(results, IsCancelled: true);
            RunCheckpoint.WriteFile(Path.Combine(one.Folder, ResultName), Encoding.UTF8.GetBytes(JsonSerializer.Serialize(result, s_options) + "\n"));
            results.Add(result);
        }
        return new SweepReport(results, IsCancelled: false);
    }

    private static SweepResult? Train(SweepRun run, TrainerOptions options, CancellationToken cancel)
    {
        using Trainer trainer = RunFolder.HoldsRun(run.Folder)
            ? Trainer.Resume(run.Folder, run.Configuration, options, cancel)
            : Trainer.Start(run.Configuration, run.Folder, options, cancel);
        try
        {
            TrainingSummary summary = trainer.Run(cancel);
            return summary.IsCancelled ? null : new SweepResult(
                run.Values, run.Folder, double.IsFinite(summary.LastValidationLoss) ? summary.LastValidationLoss : null, summary.Best?.Loss,
                summary.TokensPerSecond, null);
        }
        catch (InvalidInputException e) when (trainer.HasDiverged)
        {
            return new SweepResult(run.Values, run.Folder, null, null, 0, e.Message);
        }
    }

    /// <summary>Takes a folder for a sweep, or finds that it is this sweep's.</summary>
    private static void Claim(RunConfiguration run, IReadOnlyList<SweepAxis> axes, string folder)
    {
        string path = Path.Combine(folder, BaseName);
        try
        {
            if (File.Exists(path))
            {
                Dictionary<string, string> before = JsonSerializer.Deserialize<Dictionary<string, string>>(File.ReadAllBytes(path)) ?? [];
                RunComparison.RequireSame(Without(before, axes), run, path, axes.Select(axis => axis.Path));
                return;
            }
            if (File.Exists(folder) || (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any()))
                throw new InvalidInputException($"{folder} is not empty and holds no sweep; a new folder is expected.");
            Directory.CreateDirectory(folder);
            RunCheckpoint.WriteFile(path, JsonSerializer.SerializeToUtf8Bytes(run.Flatten(), s_options));
        }
        catch (JsonException e)
        {
            throw new InvalidInputException($"{path} is damaged: {e.Message}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"The sweep's folder {folder} cannot be used: {e.Message}", e);
        }
    }

    private static Dictionary<string, string> Without(Dictionary<string, string> values, IReadOnlyList<SweepAxis> axes) =>
        values.Where(pair => !axes.Any(axis => axis.Path == pair.Key)).ToDictionary(StringComparer.Ordinal);

    private static SweepResult? Finished(SweepRun run)
    {
        string path = Path.Combine(run.Folder, ResultName);
        try
        {
            return File.Exists(path) ? JsonSerializer.Deserialize<SweepResult>(File.ReadAllBytes(path), s_options) : null;
        }
        catch (JsonException e)
        {
            throw new InvalidInputException($"{path} is damaged: {e.Message}", e);
        }
    }

    private static string FileName(string text)
    {
        const int Most = 120;
        string name = string.Concat(text.Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '=' or ',' or '-' or '_' or '+' ? c : '_'));
        return name.Length <= Most ? name : name[..Most];
    }
}
