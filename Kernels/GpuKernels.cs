using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>
/// Float32 kernels for a <see cref="GpuDevice"/>: C# methods that ILGPU compiles to PTX or OpenCL. Each operation's folder has its
/// part in a file <c>*.Gpu.cs</c>: the host's side, the arguments, the kernel. Kernels have explicit groups and neither warp
/// shuffles nor half-precision types, so that one source runs on every device; sums have a fixed order, there are no float
/// atomics, and the host never reads what a kernel made.
/// </summary>
public sealed partial class GpuKernels : IFloat8Kernels, IDisposable
{
    // Enough to fill every multiprocessor with groups, and few enough to emulate.
    private const int Threads = 64;

    private readonly GpuDevice _device;
    private readonly GpuKernelOptions _options;

    /// <summary>The kernels for an open device, which stays the caller's. They are compiled when they are first used.</summary>
    public GpuKernels(GpuDevice device, GpuKernelOptions? options = null) => (_device, _options) = (device, options ?? new GpuKernelOptions());

    /// <inheritdoc/>
    public DType ActivationType => DType.F32;

    /// <inheritdoc/>
    public Device Device => _device;

    /// <inheritdoc/>
    public string Description => $"{_device.Name}, {_device.Description.Model}, {_device.Description.Capability}, {UnitsOf(_device.Description, _options)}";

    /// <summary>What the kernels for a device would multiply with, in words.</summary>
    /// <param name="device">The device, which need not be open.</param>
    /// <param name="options">What was asked for; null for the defaults.</param>
    public static string UnitsOf(GpuDescription device, GpuKernelOptions? options = null) =>
        HasTensorCoresFor(device, options?.MatrixUnits ?? MatrixUnits.Automatic) ? "float32 kernels, products of BF16 and FP8 weights on tensor cores"
        : options?.MatrixUnits == MatrixUnits.Simulated ? "float32 kernels, products of BF16 and FP8 weights on simulated tensor cores"
        : "float32 kernels without tensor cores";

    /// <summary>Every kernel, for checks of the code that is made of them.</summary>
    internal IEnumerable<IGpuKernel> All =>
    [
        _rmsNorm, _ropeTable, _rope, _swiGlu, _add, _concatenate, _route, _dispatch, _combine, _logSumExp, _roundToBFloat16,
        _attentionMerge, _argMax, _topCandidates, _takeOut, _advance, _routeAndDispatch, _combineAdd,
        .. _embed.All, .. _product.All, .. _productAdd.All, .. _productSwiGlu.All, .. _splitProject.All, .. _mmaSplitProject.All,
        .. _append.All, .. _attention.All, .. _attentionSplit.All,
        .. _normalizeAndRotate.All, _roundRows, _encodeRows, _multiplyRows, .. _mmaFloat8Split.All, .. _mmaFloat8Tile.All,
    ];

    /// <summary>Frees scratch memory and tables; the device is not closed.</summary>
    public void Dispose()
    {
        _splitScratch?.Dispose();
        foreach (Tensor table in _rotations.Values)
            table.Dispose();
        _rotations.Clear();
    }

    private static int Groups(long threads, int size = Threads) => checked((int)((threads + size - 1) / size));
}
