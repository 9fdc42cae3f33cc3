using System.Globalization;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>
/// The folder of a run: <c>run.json</c>, <c>metrics.jsonl</c>, <c>tokenizer/</c>, <c>data/</c> (what was tokenised for it), and
/// <c>checkpoints/step-00000025/</c>, <c>checkpoints/best/</c>. While a run goes on it holds a lock on the folder.
/// </summary>
public sealed class RunFolder : IDisposable
{
    /// <summary>The configuration's file.</summary>
    public const string ConfigurationName = "run.json";

    /// <summary>The metrics' file.</summary>
    public const string MetricsName = "metrics.jsonl";

    private const string LockName = ".lock", DataName = "data", TokenizerName = "tokenizer", StepPrefix = "step-";
    private FileStream? _lock;

    private RunFolder(string path) => Path = System.IO.Path.GetFullPath(path);

    /// <summary>Where it is.</summary>
    public string Path { get; }

    /// <summary>The run, every default filled in.</summary>
    public string ConfigurationFile => In(ConfigurationName);

    /// <summary>One JSON object a line.</summary>
    public string MetricsFile => In(MetricsName);

    /// <summary>The tokenizer's files.</summary>
    public string Tokenizer => In(TokenizerName);

    /// <summary>Data that was tokenised for this run.</summary>
    public string Data => In(DataName);

    /// <summary>The checkpoints.</summary>
    public string Checkpoints => In("checkpoints");

    /// <summary>The weights with the least validation loss.</summary>
    public string Best => System.IO.Path.Combine(Checkpoints, "best");

    /// <summary>Whether a folder holds a run that can be resumed.</summary>
    public static bool HoldsRun(string path) => File.Exists(System.IO.Path.Combine(path, ConfigurationName));

    /// <summary>The checkpoint of a step.</summary>
    public string CheckpointOf(long step) => System.IO.Path.Combine(Checkpoints, string.Create(CultureInfo.InvariantCulture, $"{StepPrefix}{step:D8}"));

    /// <summary>The steps that have a checkpoint, rising.</summary>
    public IReadOnlyList<long> CheckpointSteps()
    {
        List<long> steps = [];
        if (Directory.Exists(Checkpoints))
            foreach (string folder in Directory.EnumerateDirectories(Checkpoints, StepPrefix + "*"))
                if (long.TryParse(System.IO.Path.GetFileName(folder).AsSpan(StepPrefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out long step))
                    steps.Add(step);
        steps.Sort();
        return steps;
    }

    /// <summary>Takes a new folder. Data that an attempt which failed has tokenised may be in it.</summary>
    /// <exception cref="InvalidInputException">It holds something, or cannot be created.</exception>
    internal static RunFolder Create(string path)
    {
        if (HoldsRun(path))
            throw new InvalidInputException($"{path} holds a run already; resume it, or name another folder.");
        if (File.Exists(path) || (Directory.Exists(path) && !IsUnfinished(path)))
            throw new InvalidInputException($"{path} is not empty; a new folder is expected for a run.");
        RunFolder folder = new(path);
        folder.Lock();
        return folder;
    }

    /// <summary>Takes the folder of a run and removes what a killed process left.</summary>
    /// <exception cref="InvalidInputException">It holds no run, or another process goes on with it.</exception>
    internal static RunFolder Open(string path)
    {
        if (!HoldsRun(path))
            throw new InvalidInputException($"{path} holds no run: {ConfigurationName} is expected in it.");
        RunFolder folder = new(path);
        folder.Lock();
        try
        {
            RunCheckpoint.RemoveLeftovers(folder.Checkpoints, folder.Best);
            return folder;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            folder.Dispose();
            throw new InvalidInputException($"What an earlier process left in {path} cannot be removed: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _lock?.Dispose();
        _lock = null;
    }

    // Empty, or taken by a run that never came to its first step: the lock's file tells that it is no folder of someone else.
    private static bool IsUnfinished(string path)
    {
        string[] entries = [.. Directory.EnumerateFileSystemEntries(path).Select(entry => System.IO.Path.GetFileName(entry)!)];
        return entries.Length == 0
            || (entries.Contains(LockName) && entries.All(entry => entry is LockName or DataName or TokenizerName or ConfigurationName + ".partial"));
    }

    private string In(string name) => System.IO.Path.Combine(Path, name);

    private void Lock()
    {
        try
        {
            Directory.CreateDirectory(Path);
            _lock = new FileStream(In(LockName), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"The run's folder {Path} cannot be used, or another process trains in it: {e.Message}", e);
        }
    }
}
