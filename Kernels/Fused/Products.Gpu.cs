using ILGPU;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    private readonly WeightKernels<ProjectArguments> _splitProject = new(
        "SplitProject", SplitProjectKernel<Float32Word>, SplitProjectKernel<BFloat16Word>, SplitProjectKernel<Float16Word>,
        SplitProjectKernel<Float8Word>);

    private readonly WeightKernels<ProductAddArguments> _splitProductAdd = new(
        "SplitProductAdd", SplitProductAddKernel<Float32Word>, SplitProductAddKernel<BFloat16Word>, SplitProductAddKernel<Float16Word>,
        SplitProductAddKernel<Float8Word>);

    /// <inheritdoc/>
    public void Project(Tensor x, WeightMatrix query, WeightMatrix key, WeightMatrix value, Tensor q, Tensor k, Tensor v)
    {
        if (!IsFusible(query, x.Rows) || key.Format != query.Format || value.Format != query.Format)
        {
            Composition.Project(this, x, query, key, value, q, k, v);
            return;
        }
        ProjectArguments arguments = new()
        {
            Query = WeightView.Of(query),
            Key = WeightView.Of(key),
            Value = WeightView.Of(value),
            Rows = Selection(q),
            X = x.View<float>(),
            Q = q.View<float>(),
            K = k.View<float>(),
            V = v.View<float>(),
            QueryGroups = Groups(query.Rows, SplitOutputs),
            KeyGroups = Groups(key.Rows, SplitOutputs),
        };
        int groups = arguments.QueryGroups + arguments.KeyGroups + Groups(value.Rows, SplitOutputs);
        _splitProject.For(query.Format).Run(_device, groups, arguments.Rows.Tiles(SplitRows), SplitOutputs * SplitLanes, arguments);
    }

    /// <inheritdoc/>
    public void MatMulAdd(Tensor x, WeightMatrix w, Tensor residual, Tensor y, IWorkspace workspace)
    {
        if (!IsFusible(w, y.Rows))
        {
            Composition.MatMulAdd(this, x, w, residual, y, workspace);
            return;
        }
        ProductAddArguments arguments = new()
        {
            Weights = WeightView.Of(w),
            Rows = Selection(y),
            X = x.View<float>(),
            Residual = residual.View<float>(),
            Y = y.View<float>(),
        };
        _splitProductAdd.For(w.Format).Run(
            _device, Groups(w.Rows, SplitOutputs), arguments.Rows.Tiles(SplitRows), SplitOutputs * SplitLanes, arguments);
    }

    /// <summary><see cref="SplitProductKernel{TWord}"/> of three matrices: the first groups make q, the next k, the others v.</summary>
    private static void SplitProjectKernel<TWord>(ProjectArguments a) where TWord : struct, IWeightWord
    {
        ArrayView<float> sums = SharedMemory.Allocate<float>(SplitOutputs * SplitRows * SplitLanes);
        RowTile tile = a.Rows.Find(Grid.IdxY, SplitRows);
        if (tile.End <= tile.Begin)
            return;
        WeightView weights = a.Query;
        ArrayView<float> y = a.Q;
        int group = Grid.IdxX;
        if (group >= a.QueryGroups + a.KeyGroups)
        {
            weights = a.Value;
            y = a.V;
            group -= a.QueryGroups + a.KeyGroups;
        }
        else if (group >= a.QueryGroups)
        {
            weights = a.Key;
            y = a.K;
            group -= a.QueryGroups;
        }
        int lane = Group.IdxX % SplitLanes, output = group * SplitOutputs + Group.IdxX / SplitLanes;
        int clamped = output < weights.Rows ? output : weights.Rows - 1;
        float total = SplitSum<TWord>(weights, clamped, a.Rows, tile, a.X, sums);
        if (lane < SplitRows && tile.Begin + lane < tile.End && output < weights.Rows)
            y[(long)(tile.Begin + lane) * weights.Rows + output] = total;
    }

    /// <summary><see cref="SplitProductKernel{TWord}"/> of one matrix, whose products are added to the residual.</summary>
    private static void SplitProductAddKernel<TWord>(ProductAddArguments a) where TWord : struct, IWeightWord
    {
        ArrayView<float> sums = SharedMemory.Allocate<float>(SplitOutputs * SplitRows * SplitLanes);
        RowTile tile = a.Rows.Find(Grid.IdxY, SplitRows);
        if (tile.End <= tile.Begin)
            return;
        int lane = Group.IdxX % SplitLanes, output = Grid.IdxX * SplitOutputs + Group.IdxX / SplitLanes;
        int clamped = output < a.Weights.Rows ? output : a.Weights.Rows - 1;
        float total = SplitSum<TWord>(a.Weights, clamped, a.Rows, tile, a.X, sums);
        if (lane < SplitRows && tile.Begin + lane < tile.End && output < a.Weights.Rows)
        {
            long place = (long)(tile.Begin + lane) * a.Weights.Rows + output;
            a.Y[place] = a.Residual[place] + total;
        }
    }

    internal struct ProjectArguments
    {
        public WeightView Query;
        public WeightView Key;
        public WeightView Value;
        public RowSelection Rows;
        public ArrayView<float> X;
        public ArrayView<float> Q;
        public ArrayView<float> K;
        public ArrayView<float> V;
        public int QueryGroups;
        public int KeyGroups;
    }

    internal struct ProductAddArguments
    {
        public WeightView Weights;
        public RowSelection Rows;
        public ArrayView<float> X;
        public ArrayView<float> Residual;
        public ArrayView<float> Y;
    }
}
