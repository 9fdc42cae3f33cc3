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

    private readonly ProductKernels<PlainProduct> _product = new("");

    /// <inheritdoc/>
    public void MatMul(Tensor x, WeightMatrix w, Tensor y) => Product(_product, w.Format, Arguments(WeightView.Of(w), Selection(y), x, y), y.Rows);

    /// <inheritdoc/>
    public void GroupedMatMul(Tensor x, Tensor? order, int slots, Tensor offsets, WeightMatrix[] experts, Tensor y) => Product(
        _product, experts[0].Format, Arguments(WeightView.Of(experts), Selection(y.Rows, order, slots, offsets, experts.Length), x, y),
        Tokens(y.Rows, slots));

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

    private static ProductArguments Arguments(WeightView weights, RowSelection rows, Tensor x, Tensor y, Tensor? residual = null)
    {
        if (weights.Columns == 0)
            throw new ArgumentException("A product over no columns has no kernel.", nameof(weights));
        return new ProductArguments
        {
            Weights = weights,
            Rows = rows,
            X = x.View<float>(),
            // OpenCL takes no empty views.
            Residual = (residual ?? y).View<float>(),
            Y = y.View<float>(),
        };
    }

    private void Product<TForm>(ProductKernels<TForm> kernels, DType format, in ProductArguments arguments, int tokens)
        where TForm : struct, IProductForm
    {
        int outputs = arguments.Outputs<TForm>();
        RowSelection rows = arguments.Rows;
        if (UsesMma(format))
        {
            bool simulated = !HasTensorCores;
            if (IsMmaSplit(rows))
                kernels.MmaSplit.For(format, simulated).Run(
                    _device, Groups(outputs, MmaSplitTile / TForm.Matrices), rows.Tiles(MmaSplitTile), MmaSplitThreads, arguments,
                    MmaSplitBytes(format, simulated));
            else
                kernels.MmaTile.For(format, simulated).Run(
                    _device, Groups(outputs, MmaTile / TForm.Matrices), rows.Tiles(MmaTile), MmaTileThreads, arguments,
                    MmaTileBytes(format, simulated));
        }
        else if (IsSplit(tokens))
        {
            kernels.Split.For(format).Run(_device, Groups(outputs, SplitOutputs), rows.Tiles(SplitRows), SplitOutputs * SplitLanes, arguments);
        }
        else
        {
            kernels.Tiled.For(format).Run(_device, Groups(outputs, Tile / TForm.Matrices), rows.Tiles(Tile), TileThreads, arguments);
        }
    }

    /// <summary>The kernels of one form of product: for few rows and for many, in float32 and on tensor cores.</summary>
    private sealed class ProductKernels<TForm>(string suffix) where TForm : struct, IProductForm
    {
        public WeightKernels<ProductArguments> Split { get; } = new(
            "SplitProduct" + suffix, SplitProductKernel<Float32Word, TForm>, SplitProductKernel<BFloat16Word, TForm>,
            SplitProductKernel<Float16Word, TForm>, SplitProductKernel<Float8Word, TForm>);

        public WeightKernels<ProductArguments> Tiled { get; } = new(
            "TiledProduct" + suffix, TiledProductKernel<Float32Word, TForm>, TiledProductKernel<BFloat16Word, TForm>,
            TiledProductKernel<Float16Word, TForm>, TiledProductKernel<Float8Word, TForm>);

        public MmaKernels<ProductArguments> MmaSplit { get; } = new(
            "MmaSplit" + suffix,
            MmaSplitKernel<CudaMma, CudaTiles, BFloat16MmaWeights, TForm>,
            MmaSplitKernel<CudaMma, CudaTiles, Float8MmaWeights<CudaMma>, TForm>,
            MmaSplitKernel<SimulatedMma, PlainTiles, BFloat16MmaWeights, TForm>,
            MmaSplitKernel<SimulatedMma, PlainTiles, Float8MmaWeights<SimulatedMma>, TForm>);

        public MmaKernels<ProductArguments> MmaTile { get; } = new(
            "MmaTile" + suffix,
            MmaTileKernel<CudaMma, CudaTiles, BFloat16MmaWeights, TForm>,
            MmaTileKernel<CudaMma, CudaTiles, Float8MmaWeights<CudaMma>, TForm>,
            MmaTileKernel<SimulatedMma, PlainTiles, BFloat16MmaWeights, TForm>,
            MmaTileKernel<SimulatedMma, PlainTiles, Float8MmaWeights<SimulatedMma>, TForm>);

        public IEnumerable<IGpuKernel> All => [.. Split.All, .. Tiled.All, .. MmaSplit.All, .. MmaTile.All];
    }
}
