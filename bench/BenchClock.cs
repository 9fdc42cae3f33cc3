using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Mellum2.Managed.Bench;

/// <summary>
/// The time that passes, or the processor time of the calling thread: the latter measures one thread on a machine where
/// others want the cores too.
/// </summary>
internal static unsafe partial class BenchClock
{
    private const int ThreadProcessorTime = 3;

    /// <summary>Whether <see cref="Seconds"/> is processor time (Linux).</summary>
    public static bool OfThread { get; set; }

    /// <summary>Seconds since some moment.</summary>
    public static double Seconds()
    {
        if (!OfThread)
            return Stopwatch.GetTimestamp() / (double)Stopwatch.Frequency;
        long* time = stackalloc long[2];
        _ = GetTime(ThreadProcessorTime, time);
        return time[0] + time[1] * 1e-9;
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int GetTime(int clock, long* time);
}
