using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class MachineLimitsTests
{
    [Theory]
    [InlineData(VectorWidth.Auto)]
    [InlineData(VectorWidth.V256)]
    [InlineData(VectorWidth.V128)]
    public void Every_width_is_measured(VectorWidth width)
    {
        MachineLimits limits = MachineLimits.Measure(2, width, (1 << 22) + 100);
        Assert.InRange(limits.ReadBytesPerSecond, 1e7, 1e13);
        Assert.InRange(limits.FlopsPerSecond, 1e7, 1e14);
    }

    [Fact]
    public void Operations_are_counted_for_every_thread()
    {
        using WorkerPool one = new(1), two = new(2);
        Assert.Equal(2 * new MachineProbe(one).Operations, new MachineProbe(two).Operations);
    }

    [Fact]
    public void A_kernel_is_below_the_peak()
    {
        using WorkerPool pool = new(1);
        ITrainingKernels kernels = SimdKernels.Create(pool);
        const int Size = 256;
        Tensor x = Tensor.Allocate(DType.F32, new Shape(Size, Size)), y = Tensor.Allocate(DType.F32, x.Shape);
        WeightMatrix w = WeightMatrix.RowMajor("w", Tensor.Allocate(DType.F32, x.Shape));
        kernels.MatMul(x, w, y);
        // Rates drift with the clock and with what else runs, so there is room above.
        double peak = Enumerable.Range(0, 3).Max(_ => MachineLimits.MeasureFlops(pool));
        long start = System.Diagnostics.Stopwatch.GetTimestamp();
        for (int i = 0; i < 10; i++)
            kernels.MatMul(x, w, y);
        Assert.True(10 * 2.0 * Size * Size * Size / System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalSeconds < 2 * peak);
    }
}
