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

    /// <summary>
    /// What <see cref="IForwardKernels.Prepare"/> would make of <paramref name="parts"/>, without memory: for planning. No weight is
    /// read; scales are, because it depends on them how many a panel has.
    /// </summary>
    /// <exception cref="InvalidInputException">The parts do not fit together or their format is none to multiply by.</exception>
    public static WeightMatrix PlanPanels(ReadOnlySpan<WeightMatrix> parts)
    {
        PanelPacker packer = new(parts);
        PanelLayout layout = packer.Layout;
        WeightScales? scales = packer.PackScales();
        if (scales is not null)
        {
            scales.Values.Dispose();
            scales = scales with { Values = Tensor.WithoutMemory(DType.F32, scales.Values.Shape) };
        }
        Tensor data = Tensor.WithoutMemory(packer.Format, new Shape(layout.PaddedRows, layout.Dwords * layout.Group));
        return new WeightMatrix(parts[0].Name, layout.Rows, layout.Columns, packer.Format, WeightLayout.Panels, data, scales);
    }
}

/// <summary>
/// Float32 kernels on vectors of sixteen lanes, whatever the processor's width: <typeparamref name="TLanes"/> is one
/// 512-bit register, two of 256, four of 128 or sixteen scalars. So every width does the same operations in the same
/// order. Reductions run over the sixteen lanes (index mod 16) and end in one fixed tree.
/// </summary>
public sealed partial class SimdKernels<TLanes> : ITrainingKernels, IFloat8Kernels where TLanes : struct, ILanes<TLanes>
{
    private readonly WorkerPool _pool;

    internal SimdKernels(WorkerPool pool) => _pool = pool;

    /// <inheritdoc/>
    public DType ActivationType => DType.F32;

    /// <inheritdoc/>
    public string Description => $"cpu, {TLanes.Name}, {_pool.Count} thread{(_pool.Count == 1 ? "" : "s")}";
}
