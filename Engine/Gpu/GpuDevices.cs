using System.Globalization;
using ILGPU;
using ILGPU.Backends.OpenCL;
using ILGPU.Backends.PTX;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;

namespace Mellum2.Managed.Engine;

/// <summary>Finds devices and opens them.</summary>
public static class GpuDevices
{
    /// <summary>
    /// All devices in the order in which <c>auto</c> prefers them: CUDA, OpenCL GPUs, OpenCL on the processor, the emulator.
    /// Devices that cannot be used are in the list with the reason.
    /// </summary>
    public static IReadOnlyList<GpuDescription> List()
    {
        using Context context = CreateContext();
        return Find(context).ConvertAll(found => found.Description);
    }

    /// <summary>Why there is no device of a kind, as whole sentences; empty where there are devices of every kind.</summary>
    public static IReadOnlyList<string> Missing()
    {
        IReadOnlyList<GpuDescription> all = List();
        List<string> reasons = [];
        if (!all.Any(device => device.Kind == GpuKind.Cuda))
            reasons.Add(NativeLibraries.HasCuda
                ? "CUDA: NVIDIA's driver is installed, but it reports no device."
                : "CUDA: NVIDIA's driver library (libcuda) is not installed.");
        if (!all.Any(device => device.Kind is GpuKind.OpenCl or GpuKind.OpenClCpu))
            reasons.Add(NativeLibraries.HasOpenCl
                ? "OpenCL: the loader is installed, but no platform reports a device."
                : "OpenCL: the loader (libOpenCL) is not installed.");
        return reasons;
    }

    /// <summary>
    /// The device that <paramref name="name"/> says, to be disposed of where it is no <see cref="Device.Cpu"/>: <c>cpu</c> for the
    /// memory of the process, <c>auto</c> for the first usable GPU or else the processor, or a name that <see cref="Open"/> knows.
    /// </summary>
    /// <exception cref="InvalidInputException">There is no such device or it cannot be used; the message says why.</exception>
    public static Device Select(string name) =>
        name == Device.Cpu.Name || (name == "auto" && Find(name) is null) ? Device.Cpu : Open(name);

    /// <summary>The device that <see cref="Select"/> would take, without opening it; null for the processor and where there is none.</summary>
    public static GpuDescription? Find(string name) =>
        List().FirstOrDefault(device => device.Unusable is null && Matches(name, device));

    /// <summary>
    /// Opens the device that <paramref name="name"/> says: <c>auto</c>, a kind (<c>cuda</c>, <c>opencl</c>, <c>opencl-cpu</c>,
    /// <c>emulator</c>) for the first usable of it, or a kind and an index (<c>cuda:1</c>). <c>auto</c> takes no emulator and no
    /// processor, and <c>opencl</c> alone takes a processor where there is no GPU.
    /// </summary>
    /// <exception cref="InvalidInputException">There is no such device or it cannot be used; the message says why.</exception>
    public static GpuDevice Open(string name)
    {
        Context context = CreateContext();
        try
        {
            List<FoundDevice> all = Find(context);
            List<FoundDevice> named = all.FindAll(found => Matches(name, found.Description));
            if (named.Find(found => found.Description.Unusable is null) is { } usable)
                return new GpuDevice(context, usable.Device, usable.Description);
            if (named.Count > 0)
                throw new InvalidInputException(
                    $"The device {named[0].Description.Name} ({named[0].Description.Model}) cannot be used: {named[0].Description.Unusable}.");
            string there = all.Count == 0 ? "none" : string.Join(", ", all.Select(found => found.Description.Name));
            throw new InvalidInputException($"There is no device \"{name}\" here; the devices found are: {there}.");
        }
        catch
        {
            context.Dispose();
            throw;
        }
    }

    /// <summary>Why a CUDA device cannot be used, as half a sentence; null when it can.</summary>
    /// <param name="knownCapability">Whether ILGPU knows its compute capability.</param>
    /// <param name="supportedInstructions">Whether the driver takes a PTX version that ILGPU makes.</param>
    /// <param name="driver">The driver's CUDA version.</param>
    internal static string? CudaReason(bool knownCapability, bool supportedInstructions, string driver) =>
        !knownCapability ? "its compute capability is not known to this program"
        : !supportedInstructions ? $"its driver (CUDA {driver}) is too old for the kernels' PTX"
        : null;

    /// <summary>Why an OpenCL device cannot be used, as half a sentence; null when it can.</summary>
    /// <param name="version">Its version of OpenCL C.</param>
    /// <param name="newEnough">Whether ILGPU makes code for that version.</param>
    /// <param name="genericAddressSpace">Whether pointers may be to any memory.</param>
    /// <param name="float64">Whether it computes in float64.</param>
    /// <param name="largestGroup">The most threads of a group.</param>
    internal static string? OpenClReason(string version, bool newEnough, bool genericAddressSpace, bool float64, int largestGroup) =>
        !newEnough ? $"its driver has OpenCL C {version}, and 2.0 is needed"
        : !genericAddressSpace ? "its driver's OpenCL has no generic address space"
        : !float64 ? "it has no float64, in which the rotary tables are put together"
        : largestGroup < GpuDevice.LargestGroup ? $"its groups have at most {largestGroup} threads, and {GpuDevice.LargestGroup} are needed"
        : null;

    private static bool Matches(string name, GpuDescription device) => name switch
    {
        "auto" => device.Kind is GpuKind.Cuda or GpuKind.OpenCl,
        "opencl" => device.Kind is GpuKind.OpenCl or GpuKind.OpenClCpu,
        _ => name == device.Name || name == GpuDescription.Prefix(device.Kind),
    };

    private static Context CreateContext()
    {
        NativeLibraries.Install();
        // O2 makes global loads of generic ones. Groups of 256 threads fit the emulated device, as on every GPU.
        return Context.Create(builder => builder
            .Optimize(OptimizationLevel.O2)
            .Cuda((CudaDevice _) => true)
            .OpenCL(_ => true)
            .CPU(new CPUDevice(numThreadsPerWarp: 32, numWarpsPerMultiprocessor: 8, numMultiprocessors: 1)));
    }

    private static List<FoundDevice> Find(Context context)
    {
        List<FoundDevice> all = [];
        foreach (CudaDevice device in context.GetCudaDevices())
            all.Add(new FoundDevice(device, Describe(device, all.Count)));
        List<CLDevice> openCl = [];
        foreach (CLDevice device in context.GetCLDevices())
            openCl.Add(device);
        foreach (GpuKind kind in (GpuKind[])[GpuKind.OpenCl, GpuKind.OpenClCpu])
            all.AddRange(openCl.Where(device => IsProcessor(device) == (kind == GpuKind.OpenClCpu))
                .Select((device, index) => new FoundDevice(device, Describe(device, kind, index))));
        foreach (CPUDevice device in context.GetCPUDevices())
            all.Add(new FoundDevice(device, Describe(device, 0)));
        return all;
    }

    private static bool IsProcessor(CLDevice device) => (device.DeviceType & CLDeviceType.CL_DEVICE_TYPE_CPU) != 0;

    private static GpuDescription Describe(CudaDevice device, int index)
    {
        bool supported = device.InstructionSet is { } set && PTXCodeGenerator.SupportedInstructionSets.Contains(set);
        string? reason = CudaReason(device.Architecture is not null, supported, $"{device.DriverVersion}");
        string capability = device.Architecture is { } architecture ? $"compute capability {architecture.Major}.{architecture.Minor}" : "unknown";
        return new GpuDescription(
            GpuKind.Cuda, index, device.Name, device.MemorySize, $"CUDA {device.DriverVersion}",
            $"{capability}, {device.NumMultiprocessors} multiprocessors", reason)
        {
            ComputeCapability = device.Architecture is { } version ? 10 * version.Major + version.Minor : 0,
        };
    }

    private static GpuDescription Describe(CLDevice device, GpuKind kind, int index)
    {
        string? reason = OpenClReason(
            $"{device.CLStdVersion}", device.CLStdVersion >= CLBackend.MinimumVersion, device.Capabilities.GenericAddressSpace,
            device.Capabilities.Float64, device.MaxNumThreadsPerGroup);
        return new GpuDescription(
            kind, index, device.Name, device.MemorySize, $"{device.PlatformName} ({device.VendorName})",
            string.Create(CultureInfo.InvariantCulture, $"OpenCL C {device.CLStdVersion}, {device.NumMultiprocessors} compute units"), reason);
    }

    private static GpuDescription Describe(CPUDevice device, int index) => new(
        GpuKind.Emulator, index, "ILGPU's emulator on the processor", GC.GetGCMemoryInfo().TotalAvailableMemoryBytes, "none",
        $"groups of up to {device.MaxNumThreadsPerGroup} threads, for tests", null);

    private sealed record FoundDevice(ILGPU.Runtime.Device Device, GpuDescription Description);
}
