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
        Product(WeightView.Of(w), w.Format, Selection(y), x, y, y.Rows);

    /// <inheritdoc/>
    public void GroupedMatMul(Tensor x, Tensor? order, int slots, Tensor offsets, WeightMatrix[] experts, Tensor y) =>
        Product(WeightView.Of(experts), experts[0].Format, Selection(y.Rows, order, slots, offsets, experts.Length), x, y, Tokens(y.Rows, slots));

    // The kernel for few rows has fused forms, those for tensor cores have none.
    private bool IsFusible(WeightMatrix w, int tokens) => IsSplit(tokens) && w.Columns > 0 && !UsesMma(w.Format);

    private static bool IsSplit(int tokens) => tokens <= MostSplitRows;

    // By the number of tokens, not of pairs: an expert has few rows of a small batch.
    private static int Tokens(int pairs, int slots) => (pairs + slots - 1) / slots;

    private static RowSelection Selection(int count, Tensor? order, int slots, Tensor offsets, int experts)
    {
        ArrayView<int> bounds = offsets.View<int>();
        return new RowSelection
        {
            Count = count,
            Experts = experts,
            Offsets = bounds,
            // A view of something valid where there is no order: OpenCL takes no empty ones.
            Order = order is null ? bounds : order.View<int>(),
            Gathers = order is null ? 0 : 1,
            Slots = slots,
        };
    }

    // The kernels look at a plain product's rows alone, but OpenCL takes no empty views.
    private static RowSelection Selection(Tensor y) => new()
    {
        Count = y.Rows,
        Slots = 1,
        Offsets = y.Memory.Elements<int>(y.ByteOffset, 1),
        Order = y.Memory.Elements<int>(y.ByteOffset, 1),
    };

    private void Product(WeightView weights, DType format, RowSelection rows, Tensor x, Tensor y, int tokens)
    {
        if (weights.Columns == 0)
            throw new ArgumentException("A product over no columns has no kernel.", nameof(weights));
        if (UsesMma(format))
        {
            MmaProduct(weights, format, rows, x, y);
            return;
        }
        ProductArguments arguments = new() { Weights = weights, Rows = rows, X = x.View<float>(), Y = y.View<float>() };
        if (IsSplit(tokens))
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
