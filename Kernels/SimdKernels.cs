using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>Creates the SIMD back end.</summary>
public static class SimdKernels
{
    /// <summary>
    /// The SIMD kernels for <paramref name="width"/>, running on <paramref name="pool"/>. All widths and thread
    /// counts give the same bits.
    /// </summary>
    public static ITrainingKernels Create(WorkerPool pool, VectorWidth width = VectorWidth.Auto) =>
        (width == VectorWidth.Auto ? Processor.WidestVectors : width) switch
        {
            VectorWidth.V512 => new SimdKernels<Lanes512>(pool),
            VectorWidth.V256 => new SimdKernels<Lanes256>(pool),
            VectorWidth.V128 => new SimdKernels<Lanes128>(pool),
            _ => new SimdKernels<LanesScalar>(pool),
        };
}

/// <summary>
/// Float32 kernels on vectors of sixteen lanes, whatever the processor's width: <typeparamref name="TLanes"/> is one
/// 512-bit register, two of 256, four of 128 or sixteen scalars. So every width does the same operations in the same
/// order. Reductions run over the sixteen lanes (index mod 16) and end in one fixed tree.
/// </summary>
public sealed partial class SimdKernels<TLanes> : ITrainingKernels where TLanes : struct, ILanes<TLanes>
{
    private readonly WorkerPool _pool;

    internal SimdKernels(WorkerPool pool) => _pool = pool;

    /// <inheritdoc/>
    public DType ActivationType => DType.F32;

    /// <inheritdoc/>
    public string Description => $"cpu, {TLanes.Name}, {_pool.Count} thread{(_pool.Count == 1 ? "" : "s")}";
}
