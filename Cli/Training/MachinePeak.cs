using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Cli;

/// <summary>What the machine reaches at most in float32 with a number of threads, measured once.</summary>
internal static class MachinePeak
{
    private const long Buffer = 8L << 20;

    /// <summary>Operations a second, a fused multiply-add counted as two.</summary>
    public static double Measure(int threads) => BenchMachine.Measure(threads, VectorWidth.Auto, Buffer).FlopsPerSecond;
}
