namespace Mellum2.Managed.Bench;

/// <summary>Seconds and floating-point operations by kind of operation, summed over calls.</summary>
internal sealed class OperationTimes
{
    private readonly Dictionary<string, (double Seconds, double Operations, long Calls)> _sums = [];

    /// <summary>The kinds, the one that took most time first.</summary>
    public IEnumerable<(string Name, double Seconds, double Operations, long Calls)> Sorted =>
        _sums.OrderByDescending(entry => entry.Value.Seconds).Select(entry => (entry.Key, entry.Value.Seconds, entry.Value.Operations, entry.Value.Calls));

    /// <summary>The seconds of all.</summary>
    public double Seconds => _sums.Values.Sum(value => value.Seconds);

    /// <summary>Forgets everything.</summary>
    public void Clear() => _sums.Clear();

    /// <summary>Adds a call that began at <paramref name="start"/> and ends now.</summary>
    public void Add(string name, double start, double operations = 0)
    {
        double seconds = BenchClock.Seconds() - start;
        var sum = _sums.GetValueOrDefault(name);
        _sums[name] = (sum.Seconds + seconds, sum.Operations + operations, sum.Calls + 1);
    }
}
