using System.Reflection;
using ILGPU.Runtime.Cuda;

namespace Mellum2.Managed.Engine;

/// <summary>
/// Which GPU the PTX is written for. ILGPU 1.5.3 says sm_80 for everything newer, and the assembler then refuses newer
/// instructions; the property that says it has no public setter.
/// </summary>
internal static class CudaTarget
{
    private static readonly CudaArchitecture s_newest = new(9, 0);
    private static readonly CudaInstructionSet s_firstWithNewest = new(7, 8);

    /// <summary>
    /// Lets kernels that are compiled later use the device's instructions, up to those of sm_90: ILGPU's PTX versions know no later
    /// targets, and the driver translates older PTX for newer devices.
    /// </summary>
    public static void Raise(CudaDevice device)
    {
        if (device.Architecture is { } architecture && device.InstructionSet is { } set && set >= s_firstWithNewest)
            Raise((CudaCapabilityContext)device.Capabilities, architecture);
    }

    /// <summary>The same without a device.</summary>
    public static void Raise(CudaCapabilityContext capabilities, CudaArchitecture architecture)
    {
        PropertyInfo target = typeof(CudaCapabilityContext).GetProperty("TargetArchitecture")!;
        target.SetValue(capabilities, architecture > s_newest ? s_newest : architecture);
    }
}
