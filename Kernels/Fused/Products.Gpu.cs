using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    private readonly ProductKernels<AddedProduct> _productAdd = new("Add");
    private readonly ProductKernels<GatedProduct> _productSwiGlu = new("SwiGlu");

    private readonly WeightKernels<ProjectArguments> _splitProject = new(
        "SplitProject", SplitProjectKernel<Float32Word>, SplitProjectKernel<BFloat16Word>, SplitProjectKernel<Float16Word>,
        SplitProjectKernel<Float8Word>);

    private readonly MmaKernels<ProjectArguments> _mmaSplitProject = new(
        "MmaSplitProject",
        MmaSplitProjectKernel<CudaMma, CudaTiles, BFloat16MmaWeights>,
        MmaSplitProjectKernel<CudaMma, CudaTiles, Float8MmaWeights<CudaMma>>,
        MmaSplitProjectKernel<SimulatedMma, PlainTiles, BFloat16MmaWeights>,
        MmaSplitProjectKernel<SimulatedMma, PlainTiles, Float8MmaWeights<SimulatedMma>>);

    /// <inheritdoc/>
    public void Project(Tensor x, WeightMatrix query, WeightMatrix key, WeightMatrix value, Tensor q, Tensor k, Tensor v)
    {
        DType format = query.Format;
        RowSelection rows = Selection(q);
        bool usesMma = UsesMma(format), isFew = usesMma ? IsMmaSplit(rows) : IsSplit(x.Rows);
        // Many rows fill the device with a product alone.
        if (!isFew || key.Format != format || value.Format != format)
        {
            Composition.Project(this, x, query, key, value, q, k, v);
            return;
        }
        int size = usesMma ? MmaSplitTile : SplitOutputs, firstKey = Groups(query.Rows, size), firstValue = firstKey + Groups(key.Rows, size);
        int groups = firstValue + Groups(value.Rows, size);
        ProjectArguments arguments = new()
        {
            Query = Arguments(WeightView.Of(query), rows, x, q),
            Key = WeightView.Of(key),
            Value = WeightView.Of(value),
            K = k.View<float>(),
            V = v.View<float>(),
            FirstKeyGroup = firstKey,
            FirstValueGroup = firstValue,
        };
        if (usesMma)
        {
            bool simulated = !HasTensorCores;
            _mmaSplitProject.For(format, simulated).Run(
                _device, groups, rows.Tiles(MmaSplitTile), MmaSplitThreads, arguments, MmaSplitBytes(format, simulated));
        }
        else
        {
            _splitProject.For(format).Run(_device, groups, rows.Tiles(SplitRows), SplitOutputs * SplitLanes, arguments);
        }
    }

    /// <inheritdoc/>
    public void MatMulAdd(Tensor x, WeightMatrix w, Tensor residual, Tensor y, IWorkspace workspace) =>
        Product(_productAdd, w.Format, Arguments(WeightView.Of(w), Selection(y), x, y, residual), y.Rows);

    /// <inheritdoc/>
    public void MatMulSwiGlu(Tensor x, WeightMatrix gateUp, Tensor y, IWorkspace workspace) =>
        Product(_productSwiGlu, gateUp.Format, Arguments(WeightView.Of(gateUp), Selection(y), x, y), y.Rows);

    /// <inheritdoc/>
    public void GroupedMatMulSwiGlu(
        Tensor x, Tensor? order, int slots, Tensor offsets, WeightMatrix[] experts, Tensor y, IWorkspace workspace) => Product(
            _productSwiGlu, experts[0].Format,
            Arguments(WeightView.Of(experts), Selection(y.Rows, order, slots, offsets, experts.Length), x, y), Tokens(y.Rows, slots));
}
