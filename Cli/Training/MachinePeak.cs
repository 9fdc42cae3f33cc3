using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Cli;

/// <summary>What the machine reaches at most in float32 with a number of threads.</summary>
internal static class MachinePeak
{
    /// <summary>Operations a second, a fused multiply-add counted as two.</summary>
    public static double Measure(int threads)
    {
        using WorkerPool pool = new(threads);
        return MachineLimits.MeasureFlops(pool);
    }
}
