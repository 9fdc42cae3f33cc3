using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Mellum2.Managed.Bench;

/// <summary>One of the things that are timed against each other.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Run">One call.</param>
internal readonly record struct Rival(string Name, Action Run);

/// <summary>Seconds for one call: the median, the fastest and the slowest round.</summary>
internal readonly record struct Timing(string Name, double Median, double Fastest, double Slowest);

/// <summary>
/// Times rivals in interleaved rounds, so that what else happens on the machine meets all of them alike. Compare only
/// what comes out of one call.
/// </summary>
internal static class Harness
{
    /// <summary>Times <paramref name="rivals"/>.</summary>
    /// <param name="rounds">How many rounds; each gives one sample of each rival.</param>
    /// <param name="seconds">The least time of a sample: fast calls are repeated.</param>
    /// <param name="gap">Milliseconds of rest before a sample: threads of a rival's own may spin on after a call.</param>
    /// <param name="rivals">What is timed.</param>
    public static Timing[] Measure(int rounds, double seconds, int gap, params Rival[] rivals)
    {
        int[] repeats = new int[rivals.Length];
        double[][] samples = new double[rivals.Length][];
        for (int i = 0; i < rivals.Length; i++)
        {
            rivals[i].Run();
            rivals[i].Run();
            repeats[i] = (int)Math.Clamp(Math.Ceiling(seconds / Math.Max(Time(rivals[i].Run, 1), 1e-7)), 1, 1e6);
            samples[i] = new double[rounds];
        }
        for (int round = 0; round < rounds; round++)
        {
            for (int i = 0; i < rivals.Length; i++)
            {
                if (gap > 0)
                {
                    Thread.Sleep(gap);
                    rivals[i].Run();
                }
                samples[i][round] = Time(rivals[i].Run, repeats[i]);
            }
        }
        Timing[] result = new Timing[rivals.Length];
        for (int i = 0; i < rivals.Length; i++)
        {
            Array.Sort(samples[i]);
            double median = (samples[i][rounds / 2] + samples[i][(rounds - 1) / 2]) / 2;
            result[i] = new Timing(rivals[i].Name, median, samples[i][0], samples[i][^1]);
        }
        return result;
    }

    /// <summary>The geometric mean.</summary>
    public static double GeometricMean(IReadOnlyCollection<double> values) => Math.Exp(values.Average(Math.Log));

    private static double Time(Action action, int repeats)
    {
        double begin = BenchClock.Seconds();
        for (int i = 0; i < repeats; i++)
            action();
        return (BenchClock.Seconds() - begin) / repeats;
    }
}

/// <summary>A table that is printed as Markdown, or as JSON for <c>--json</c>.</summary>
/// <param name="title">What was measured.</param>
/// <param name="columns">The names of the columns; the first one names a row.</param>
internal sealed class ResultTable(string title, params string[] columns)
{
    private readonly List<(string Name, double[] Values)> _rows = [];

    /// <summary>Adds a row.</summary>
    public void Add(string name, params double[] values) => _rows.Add((name, values));

    /// <summary>Writes the table to the console.</summary>
    public void Print(string[] args)
    {
        if (args.Contains("--json"))
        {
            var rows = _rows.Select(row => row.Values
                .Select((value, i) => KeyValuePair.Create(columns[i + 1], (object)value))
                .Prepend(KeyValuePair.Create(columns[0], (object)row.Name))
                .ToDictionary());
            Console.WriteLine(JsonSerializer.Serialize(new { title, rows }));
            return;
        }
        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"\n{title}\n\n| {string.Join(" | ", columns)} |\n|---|{string.Concat(columns.Skip(1).Select(_ => "--:|"))}\n");
        foreach ((string name, double[] values) in _rows)
            text.Append(CultureInfo.InvariantCulture, $"| {name} | {string.Join(" | ", values.Select(Format))} |\n");
        Console.Write(text);
    }

    private static string Format(double value) =>
        value.ToString(Math.Abs(value) >= 10 ? "F1" : "F3", CultureInfo.InvariantCulture);
}
