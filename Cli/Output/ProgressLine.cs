using System.Diagnostics;
using System.Globalization;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Cli;

/// <summary>
/// One line on standard error that says how far something is, how fast it goes and how long it will take. It appears
/// only on a terminal, after a moment, and is wiped off at the end.
/// </summary>
internal sealed class ProgressLine(Terminal terminal, string what, string unit) : IProgress<LoadProgress>, IProgress<ConversionProgress>, IDisposable
{
    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(150);
    private readonly long _start = Stopwatch.GetTimestamp();
    private TimeSpan _last;
    private bool _shown;

    /// <inheritdoc/>
    public void Report(LoadProgress value) => Report(value.Done, value.Total);

    /// <inheritdoc/>
    public void Report(ConversionProgress value) => Report(value.BytesDone / 1e6, value.BytesTotal / 1e6);

    /// <summary>Something is this far.</summary>
    public void Report(double done, double total)
    {
        TimeSpan elapsed = Stopwatch.GetElapsedTime(_start);
        if (!terminal.IsErrorTerminal || elapsed - _last < s_interval)
            return;
        _last = elapsed;
        _shown = true;
        double rate = done / elapsed.TotalSeconds;
        string left = rate > 0 ? string.Create(CultureInfo.InvariantCulture, $", {(total - done) / rate:F0} s left") : "";
        terminal.Error.Write(string.Create(CultureInfo.InvariantCulture, $"\r\e[K{what} {done:F0} of {total:F0} {unit}, {rate:F1} {unit}/s{left}"));
        terminal.Error.Flush();
    }

    /// <summary>Wipes the line off.</summary>
    public void Dispose()
    {
        if (!_shown)
            return;
        terminal.Error.Write("\r\e[K");
        terminal.Error.Flush();
        _shown = false;
    }
}

/// <summary>Progress of a count whose total is known; reports at once, on the caller's thread.</summary>
internal sealed class CountProgress(ProgressLine line, int total) : IProgress<int>
{
    /// <inheritdoc/>
    public void Report(int value) => line.Report(value, total);
}
