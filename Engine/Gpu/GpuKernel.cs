using System.Reflection;
using ILGPU;
using ILGPU.Backends;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.OpenCL;
using ILGPU.Backends.PTX;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;

namespace Mellum2.Managed.Engine;

/// <summary>What a check of generated code needs to know about a kernel.</summary>
internal interface IGpuKernel
{
    /// <summary>The name for messages and tables.</summary>
    string Name { get; }

    /// <summary>The kernel.</summary>
    MethodInfo Method { get; }

    /// <summary>The compute capability that the instructions in it need, times ten; 0 for a kernel that runs on every device.</summary>
    int NeedsCuda { get; }

    /// <summary>Compiles it for a device now, not at its first run.</summary>
    /// <exception cref="InvalidInputException">It does not compile on this device.</exception>
    void Compile(GpuDevice device);
}

/// <summary>
/// A kernel with explicit groups that takes one struct of views and numbers. It is compiled for the device at its first run
/// and kept (ILGPU's own cache may forget it).
/// </summary>
/// <param name="name">The name for messages and tables.</param>
/// <param name="kernel">A static method.</param>
/// <param name="needsCuda">The compute capability that the instructions in it need, times ten; 0 where there are none.</param>
internal sealed class GpuKernel<T>(string name, Action<T> kernel, int needsCuda = 0) : IGpuKernel where T : struct
{
    // CUDA's limit for every dimension of a grid but the first.
    private const int MostGroupsY = 65535;

    private Action<AcceleratorStream, KernelConfig, T>? _launch;

    /// <inheritdoc/>
    public string Name => name;

    /// <inheritdoc/>
    public MethodInfo Method => kernel.Method;

    /// <inheritdoc/>
    public int NeedsCuda => needsCuda;

    /// <inheritdoc/>
    public void Compile(GpuDevice device) => _launch ??= Load(device);

    /// <summary>
    /// Queues the kernel on a grid of <paramref name="x"/> × <paramref name="y"/> groups, each with
    /// <paramref name="sharedBytes"/> of dynamic shared memory; no groups are no launch.
    /// </summary>
    /// <exception cref="InvalidInputException">It does not compile on this device, or the device fails.</exception>
    public void Run(GpuDevice device, int x, int y, int threads, in T arguments, int sharedBytes = 0)
    {
        if (x == 0 || y == 0)
            return;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(y, MostGroupsY);
        _launch ??= Load(device);
        try
        {
            SharedMemoryConfig shared = sharedBytes == 0 ? SharedMemoryConfig.Empty : SharedMemoryConfig.RequestDynamic<byte>(sharedBytes);
            _launch(device.Queue, new KernelConfig(new Index3D(x, y, 1), new Index3D(threads, 1, 1), shared), arguments);
        }
        catch (Exception e) when (GpuDevice.IsFailure(e))
        {
            throw new InvalidInputException(
                $"The kernel {name} failed on the device {device.Name} ({device.Description.Model}): {GpuDevice.FirstLine(e)}", e);
        }
        device.Launches++;
        device.Launched?.Invoke(name, x, y, arguments);
    }

    private Action<AcceleratorStream, KernelConfig, T> Load(GpuDevice device)
    {
        try
        {
            EntryPointDescription entry = EntryPointDescription.FromExplicitlyGroupedKernel(kernel.Method);
            CompiledKernel? compiled = device.Accelerator switch
            {
                CudaAccelerator cuda => PtxText.KeepInRegisters((PTXCompiledKernel)cuda.CompileKernel(entry)),
                CLAccelerator openCl => OpenClText.FenceSharedMemory((CLCompiledKernel)openCl.CompileKernel(entry)),
                _ => null,
            };
            return compiled is null
                ? device.Accelerator.LoadKernel(kernel)
                : device.Accelerator.LoadKernel(compiled).CreateLauncherDelegate<Action<AcceleratorStream, KernelConfig, T>>();
        }
        catch (Exception e) when (e is not InvalidInputException)
        {
            throw new InvalidInputException(
                $"The kernel {name} does not compile for the device {device.Name} ({device.Description.Model}): {GpuDevice.FirstLine(e)}", e);
        }
    }
}
