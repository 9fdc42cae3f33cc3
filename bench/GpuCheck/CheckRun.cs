using System.Diagnostics;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.GpuCheck;

/// <summary>Runs checks one after the other; nothing that one of them does ends the others, unless the device is lost.</summary>
/// <param name="device">The device.</param>
/// <param name="checks">The checks.</param>
public sealed class CheckRun(CheckedDevice device, IReadOnlyList<Check> checks)
{
    private readonly List<CheckResult> _results = [];

    /// <summary>Told before each check, so that a driver that takes the whole program with it leaves its name behind.</summary>
    public event Action<Check>? Starting;

    /// <summary>Told after each check.</summary>
    public event Action<CheckResult>? Ended;

    /// <summary>What has been found so far, in the order of the checks.</summary>
    public IReadOnlyList<CheckResult> Results => _results;

    /// <summary>The check that is running.</summary>
    public Check? Running { get; private set; }

    /// <summary>Why the device could not be used any more; null while it can.</summary>
    public string? Lost { get; private set; }

    /// <summary>Whether the run was ended early.</summary>
    public bool IsCancelled { get; private set; }

    /// <summary>How many checks ended so.</summary>
    public int Count(Verdict verdict) => _results.Count(result => result.Outcome.Verdict == verdict);

    /// <summary>Runs them all.</summary>
    public void Execute()
    {
        foreach (Check check in checks)
        {
            if (IsCancelled = device.Cancel.IsCancellationRequested)
                break;
            Running = check;
            Starting?.Invoke(check);
            long start = Stopwatch.GetTimestamp();
            Outcome? outcome = Lost is null ? Execute(check) : Outcome.Skipped("the device is lost");
            Running = null;
            if (outcome is null)
            {
                IsCancelled = true;
                break;
            }
            CheckResult result = new(check, outcome, Stopwatch.GetElapsedTime(start).TotalSeconds);
            _results.Add(result);
            Ended?.Invoke(result);
        }
    }

    // Null where the user ended it.
    private Outcome? Execute(Check check)
    {
        try
        {
            return check.Run(device);
        }
        catch (OperationCanceledException) when (device.Cancel.IsCancellationRequested)
        {
            return null;
        }
        catch (Exception e)
        {
            string why = e is InvalidInputException ? e.Message : $"{e.GetType().Name}: {e.Message}";
            Renew();
            return Outcome.Failed(OneLine(Lost is null ? why : $"{why} {Lost}"));
        }
    }

    private void Renew()
    {
        try
        {
            device.Renew();
        }
        catch (Exception e)
        {
            Lost = $"The device is lost: it could not be opened again ({OneLine(e.Message)})";
        }
    }

    private static string OneLine(string text) => text.ReplaceLineEndings(" ").Trim();
}
