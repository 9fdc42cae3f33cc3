using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>
/// Float32 kernels on vectors of sixteen lanes, whatever the processor's width: <typeparamref name="TLanes"/> is one
/// 512-bit register, two of 256, four of 128 or sixteen scalars. So every width does the same operations in the same
/// order. Reductions run over the sixteen lanes (index mod 16) and end in one fixed tree.
/// </summary>
public sealed partial class SimdKernels<TLanes> where TLanes : struct, ILanes<TLanes>
{
    private readonly WorkerPool _pool;

    internal SimdKernels(WorkerPool pool) => _pool = pool;

    /// <summary>F32.</summary>
    public DType ActivationType => DType.F32;

    /// <summary>What runs.</summary>
    public string Description => $"cpu, {TLanes.Name}, {_pool.Count} thread{(_pool.Count == 1 ? "" : "s")}";
}
