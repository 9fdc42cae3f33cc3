// A device has one queue, and the emulator takes every core.
[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace Mellum2.Managed.Gpu.Tests;

/// <summary>
/// The devices that this machine has, each opened once: always the emulator, and any CUDA or OpenCL device beside it. The
/// emulator has a thread of the operating system for each thread of a group, so its cases are small.
/// </summary>
public static class TestDevices
{
    private static readonly Dictionary<string, GpuKernels> s_kernels = [];
    private static readonly Dictionary<string, GpuKernels> s_tensorCores = [];

    /// <summary>The names of all usable devices.</summary>
    public static IEnumerable<object[]> Names =>
        GpuDevices.List().Where(device => device.Unusable is null).Select(device => new object[] { device.Name });

    internal static ReferenceKernels Reference { get; } = new();

    /// <summary>The kernels of a device.</summary>
    internal static GpuKernels Get(string name)
    {
        lock (s_kernels)
        {
            if (!s_kernels.TryGetValue(name, out GpuKernels? kernels))
                s_kernels.Add(name, kernels = new GpuKernels(GpuDevices.Open(name)));
            return kernels;
        }
    }

    /// <summary>The kernels of a device that multiply on its tensor cores, or simulate some where there are none.</summary>
    internal static GpuKernels TensorCores(string name)
    {
        lock (s_kernels)
        {
            if (!s_tensorCores.TryGetValue(name, out GpuKernels? kernels))
                s_tensorCores.Add(name, kernels = new GpuKernels(
                    (GpuDevice)Get(name).Device, new GpuKernelOptions { MatrixUnits = HasTensorCores(name) ? MatrixUnits.Automatic : MatrixUnits.Simulated }));
            return kernels;
        }
    }

    /// <summary>Whether the tensor cores are a device's own.</summary>
    internal static bool HasTensorCores(string name) => ((GpuDevice)Get(name).Device).Description.ComputeCapability >= 80;

    /// <summary>Whether real sizes are too slow.</summary>
    internal static bool IsEmulator(string name) => name.StartsWith("emulator", StringComparison.Ordinal);

    /// <summary>
    /// Runs a case several times, first with the smallest and the largest shape; random numbers come from a fixed seed, because a
    /// case on the emulator takes seconds and its failure must be seen again.
    /// </summary>
    /// <param name="device">The device.</param>
    /// <param name="maxRows">The most rows on the emulator.</param>
    /// <param name="maxColumns">The most columns there.</param>
    /// <param name="test">The case.</param>
    /// <param name="factor">How many times larger a shape may be elsewhere.</param>
    internal static void ForShapes(string device, int maxRows, int maxColumns, Action<int, int, Random> test, int factor = 8)
    {
        factor = IsEmulator(device) ? 1 : factor;
        int cases = IsEmulator(device) ? 3 : 20;
        Random random = new(maxRows * 1000 + maxColumns);
        test(1, 1, random);
        test(maxRows, maxColumns, random);
        for (int i = 0; i < cases; i++)
            test(random.Next(0, factor * maxRows + 1), random.Next(1, factor * maxColumns + 1), random);
    }
}
