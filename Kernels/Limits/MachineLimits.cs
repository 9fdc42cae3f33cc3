using System.Diagnostics;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>What the machine can do at best with some threads and vectors, measured: what speeds are shares of.</summary>
/// <param name="ReadBytesPerSecond">Reading memory once from front to back.</param>
/// <param name="FlopsPerSecond">Float32 fused multiply-adds on registers, two operations each.</param>
public readonly record struct MachineLimits(double ReadBytesPerSecond, double FlopsPerSecond)
{
    private const int Tries = 5;

    /// <summary>
    /// Measures both, each the second best of a few tries: noise slows down, and a clock that jumps makes one try look too good.
    /// </summary>
    /// <param name="threads">As many threads; 0 means one for each processor.</param>
    /// <param name="width">The vectors.</param>
    /// <param name="bufferBytes">How much memory to read, which should be well over what caches hold.</param>
    public static unsafe MachineLimits Measure(int threads, VectorWidth width, long bufferBytes)
    {
        using WorkerPool pool = new(threads);
        using NativeBuffer buffer = new(bufferBytes);
        MachineProbe probe = new(pool, width);
        double[] read = new double[Tries], multiply = new double[Tries];
        for (int i = 0; i < Tries; i++)
        {
            long start = Stopwatch.GetTimestamp();
            probe.Read(buffer.Pointer, bufferBytes);
            read[i] = Stopwatch.GetElapsedTime(start).TotalSeconds;
            start = Stopwatch.GetTimestamp();
            probe.MultiplyAdd();
            multiply[i] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
        return new MachineLimits(bufferBytes / SecondBest(read), probe.Operations / SecondBest(multiply));
    }

    /// <summary>Measures multiply-adds alone: <see cref="FlopsPerSecond"/> of a back end with this pool and width.</summary>
    public static double MeasureFlops(WorkerPool pool, VectorWidth width = VectorWidth.Auto)
    {
        MachineProbe probe = new(pool, width);
        double[] multiply = new double[Tries];
        for (int i = 0; i < Tries; i++)
        {
            long start = Stopwatch.GetTimestamp();
            probe.MultiplyAdd();
            multiply[i] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
        return probe.Operations / SecondBest(multiply);
    }

    private static double SecondBest(double[] seconds) => seconds.Order().ElementAt(1);
}
