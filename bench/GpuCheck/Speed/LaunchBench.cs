using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.GpuCheck;

/// <summary>What a kernel costs that does nothing, and a read of four bytes, which every greedy token ends with.</summary>
internal static class LaunchBench
{
    public static IEnumerable<Measurement> Run(CheckedDevice device)
    {
        GpuKernels kernels = device.Kernels();
        using Tensor counter = Tensor.Allocate(DType.I32, new Shape(1), device.Gpu);
        counter.Write<int>([0]);
        int[] value = new int[1];
        yield return new("a launch, of many in the queue", 1e6 * device.Time(device.IsEmulated ? 5 : 1000, _ => kernels.Advance(counter, 1)), "µs");
        yield return new("a launch and the read of four bytes", 1e6 * device.Time(1, _ =>
        {
            kernels.Advance(counter, 1);
            counter.Read<int>(value);
        }), "µs");
    }
}
