using System.Reflection;
using ILGPU;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.OpenCL;
using ILGPU.Backends.PTX;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;

namespace Mellum2.Managed.Gpu.Tests;

/// <summary>What ILGPU makes of a kernel, without a device.</summary>
internal static class KernelText
{
    /// <summary>PTX for a compute capability, in the version of CUDA 12.4, as it goes to the driver.</summary>
    public static string Ptx(MethodInfo kernel, int major, int minor)
    {
        using Context context = CreateContext();
        CudaArchitecture architecture = new(major, minor);
        CudaCapabilityContext capabilities = new(architecture);
        CudaTarget.Raise(capabilities, architecture);
        using PTXBackend backend = new(context, capabilities, architecture, new CudaInstructionSet(8, 4), null);
        return PtxText.KeepInRegisters((PTXCompiledKernel)backend.Compile(Entry(kernel), KernelSpecialization.Empty)).PTXAssembly;
    }

    /// <summary>OpenCL C for a device of no particular vendor, as it goes to the driver.</summary>
    public static string OpenCl(MethodInfo kernel)
    {
        using Context context = CreateContext();
        using CLBackend backend = new(context, new CLCapabilityContext(true, true, true, true, true), CLDeviceVendor.Other, CLCVersion.CL30);
        return OpenClText.FenceSharedMemory((CLCompiledKernel)backend.Compile(Entry(kernel), KernelSpecialization.Empty)).Source;
    }

    private static Context CreateContext() => Context.Create(builder => builder.Optimize(OptimizationLevel.O2));

    private static EntryPointDescription Entry(MethodInfo kernel) => EntryPointDescription.FromExplicitlyGroupedKernel(kernel);
}
