namespace Mellum2.Managed.Engine;

/// <summary>How a device is driven.</summary>
public enum GpuKind
{
    /// <summary>NVIDIA's driver; kernels are compiled to PTX.</summary>
    Cuda,

    /// <summary>An OpenCL device that is a GPU or another accelerator.</summary>
    OpenCl,

    /// <summary>An OpenCL device that is the processor (PoCL, Intel's CPU runtime).</summary>
    OpenClCpu,

    /// <summary>
    /// ILGPU's emulator: one thread of the operating system for each thread of a group. It proves that a kernel is right and is
    /// slower than the CPU kernels by orders of magnitude.
    /// </summary>
    Emulator,
}

/// <summary>A device that was found, usable or not.</summary>
/// <param name="Kind">How it is driven.</param>
/// <param name="Index">Its place among the devices of its kind.</param>
/// <param name="Model">What its maker calls it.</param>
/// <param name="MemoryBytes">Its memory.</param>
/// <param name="Driver">Driver or platform with version.</param>
/// <param name="Capability">Compute capability of CUDA devices, language version of OpenCL devices, processors.</param>
/// <param name="Unusable">Why it cannot be used, as half a sentence; null when it can.</param>
public sealed record GpuDescription(
    GpuKind Kind, int Index, string Model, long MemoryBytes, string Driver, string Capability, string? Unusable)
{
    /// <summary>The compute capability of a CUDA device times ten, 89 for 8.9; 0 for every other device.</summary>
    public int ComputeCapability { get; init; }

    /// <summary>The name by which it is chosen, <c>cuda:0</c> for example.</summary>
    public string Name => $"{Prefix(Kind)}:{Index}";

    /// <summary>The first part of names of this kind.</summary>
    public static string Prefix(GpuKind kind) => kind switch
    {
        GpuKind.Cuda => "cuda",
        GpuKind.OpenCl => "opencl",
        GpuKind.OpenClCpu => "opencl-cpu",
        _ => "emulator",
    };
}
