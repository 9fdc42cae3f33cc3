using ILGPU;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    // Every product is a sum, in order, of chains over this many columns: the one order that both kernels below can keep, so
    // that decoding, verifying and prefill give the same bits.
    private const int ProductBlock = 64;

    // Up to this many rows the weights are what takes the time, and rows of weights are split over threads.
    private const int MostSplitRows = 8;

    private readonly WeightKernels<ProductArguments> _splitProduct = new(
        "SplitProduct", SplitProductKernel<Float32Word>, SplitProductKernel<BFloat16Word>, SplitProductKernel<Float16Word>,
        SplitProductKernel<Float8Word>);

    private readonly WeightKernels<ProductArguments> _tiledProduct = new(
        "TiledProduct", TiledProductKernel<Float32Word>, TiledProductKernel<BFloat16Word>, TiledProductKernel<Float16Word>,
        TiledProductKernel<Float8Word>);

    /// <inheritdoc/>
    public void MatMul(Tensor x, WeightMatrix w, Tensor y) =>
        Product(WeightView.Of(w), w.Format, new RowSelection { Count = y.Rows, Slots = 1 }, x, y, y.Rows);

    /// <inheritdoc/>
    public void GroupedMatMul(Tensor x, Tensor? order, int slots, Tensor offsets, WeightMatrix[] experts, Tensor y)
    {
        ArrayView<int> bounds = offsets.View<int>();
        RowSelection rows = new()
        {
            Count = y.Rows,
            Experts = experts.Length,
            Offsets = bounds,
            // A view of something valid where there is no order: OpenCL takes no empty ones.
            Order = order is null ? bounds : order.View<int>(),
            Gathers = order is null ? 0 : 1,
            Slots = slots,
        };
        // By the number of tokens, not of pairs: an expert has few rows of a small batch.
        Product(WeightView.Of(experts), experts[0].Format, rows, x, y, (y.Rows + slots - 1) / slots);
    }

    private void Product(WeightView weights, DType format, RowSelection rows, Tensor x, Tensor y, int tokens)
    {
        if (weights.Columns == 0)
            throw new ArgumentException("A product over no columns has no kernel.", nameof(weights));
        if (rows.Experts == 0)
        {
            // The kernels look at a plain product's rows alone, but OpenCL takes no empty views.
            rows.Offsets = y.Memory.Elements<int>(y.ByteOffset, 1);
            rows.Order = rows.Offsets;
        }
        if (UsesMma(format))
        {
            MmaProduct(weights, format, rows, x, y);
            return;
        }
        ProductArguments arguments = new() { Weights = weights, Rows = rows, X = x.View<float>(), Y = y.View<float>() };
        if (tokens <= MostSplitRows)
            _splitProduct.For(format).Run(
                _device, Groups(weights.Rows, SplitOutputs), rows.Tiles(SplitRows), SplitOutputs * SplitLanes, arguments);
        else
            _tiledProduct.For(format).Run(_device, Groups(weights.Rows, Tile), rows.Tiles(Tile), TileThreads, arguments);
    }

    internal struct ProductArguments
    {
        public WeightView Weights;
        public RowSelection Rows;
        public ArrayView<float> X;
        public ArrayView<float> Y;
    }
}
