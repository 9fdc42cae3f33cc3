using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes>
{
    /// <inheritdoc cref="IForwardKernels.Prepare"/>
    /// <exception cref="InvalidInputException">
    /// The parts do not fit together, their format is none to multiply by, or an FP8 or F16 weight or a scale is not finite.
    /// </exception>
    public WeightMatrix Prepare(ReadOnlySpan<WeightMatrix> parts)
    {
        PanelPacker packer = new(parts);
        Tensor data = Tensor.Allocate(packer.Format, new Shape(packer.Layout.PaddedRows, packer.Layout.Dwords * packer.Layout.Group));
        PackPanelsJob job = new(packer, data);
        try
        {
            _pool.For(ref job, packer.Layout.Panels);
            return new WeightMatrix(parts[0].Name, packer.Layout.Rows, packer.Layout.Columns, packer.Format, WeightLayout.Panels, data, packer.PackScales());
        }
        catch
        {
            data.Dispose();
            throw;
        }
    }

    private struct PackPanelsJob(PanelPacker packer, Tensor data) : IParallelJob
    {
        public readonly void Run(int begin, int end, int worker)
        {
            for (int panel = begin; panel < end; panel++)
                packer.Pack(panel, (uint*)data.Data + packer.Layout.Offset(panel));
        }
    }
}
