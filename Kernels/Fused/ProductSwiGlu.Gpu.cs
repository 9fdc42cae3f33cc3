using ILGPU;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    private readonly WeightKernels<ProductArguments> _splitProductSwiGlu = new(
        "SplitProductSwiGlu", SplitProductSwiGluKernel<Float32Word>, SplitProductSwiGluKernel<BFloat16Word>,
        SplitProductSwiGluKernel<Float16Word>, SplitProductSwiGluKernel<Float8Word>);

    /// <inheritdoc/>
    public void MatMulSwiGlu(Tensor x, WeightMatrix gateUp, Tensor y, IWorkspace workspace)
    {
        if (IsFusible(gateUp, y.Rows))
            ProductSwiGlu(WeightView.Of(gateUp), gateUp.Format, Selection(y), x, y);
        else
            Composition.MatMulSwiGlu(this, x, gateUp, y, workspace);
    }

    /// <inheritdoc/>
    public void GroupedMatMulSwiGlu(
        Tensor x, Tensor? order, int slots, Tensor offsets, WeightMatrix[] experts, Tensor y, IWorkspace workspace)
    {
        if (IsFusible(experts[0], Tokens(y.Rows, slots)))
            ProductSwiGlu(WeightView.Of(experts), experts[0].Format, Selection(y.Rows, order, slots, offsets, experts.Length), x, y);
        else
            Composition.GroupedMatMulSwiGlu(this, x, order, slots, offsets, experts, y, workspace);
    }

    private void ProductSwiGlu(WeightView weights, DType format, RowSelection rows, Tensor x, Tensor y)
    {
        ProductArguments arguments = new() { Weights = weights, Rows = rows, X = x.View<float>(), Y = y.View<float>() };
        _splitProductSwiGlu.For(format).Run(
            _device, Groups(weights.Rows / 2, SplitOutputs), rows.Tiles(SplitRows), SplitOutputs * SplitLanes, arguments);
    }

    /// <summary><see cref="SplitProductKernel{TWord}"/> of a row of gate and of the same row of up, and what SwiGLU makes of both.</summary>
    private static void SplitProductSwiGluKernel<TWord>(ProductArguments a) where TWord : struct, IWeightWord
    {
        ArrayView<float> sums = SharedMemory.Allocate<float>(SplitOutputs * SplitRows * SplitLanes);
        RowTile tile = a.Rows.Find(Grid.IdxY, SplitRows);
        if (tile.End <= tile.Begin)
            return;
        int inner = a.Weights.Rows / 2, lane = Group.IdxX % SplitLanes, output = Grid.IdxX * SplitOutputs + Group.IdxX / SplitLanes;
        long row = (long)tile.Expert * a.Weights.Rows + (output < inner ? output : inner - 1);
        float gate = SplitSum<TWord>(a.Weights, row, a.Rows, tile, a.X, sums);
        float up = SplitSum<TWord>(a.Weights, row + inner, a.Rows, tile, a.X, sums);
        if (lane < SplitRows && tile.Begin + lane < tile.End && output < inner)
            a.Y[(long)(tile.Begin + lane) * inner + output] = DeviceMath.Silu(gate) * up;
    }
}
