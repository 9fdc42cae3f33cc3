using ILGPU;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    private readonly CacheKernels<HeadArguments> _normalizeAndRotate = new(
        "NormalizeAndRotate", NormalizeAndRotateKernel<Float32Element>, NormalizeAndRotateKernel<BFloat16Element>);

    /// <inheritdoc/>
    public void NormalizeAndRotate(
        in HeadTensors heads, float epsilon, Tensor table, SequenceRows rows, KvLayer? cache, IWorkspace workspace)
    {
        int dimension = table.Columns;
        if (dimension > MostHeadDimension || heads.Keys.Count == 0)
        {
            Composition.NormalizeAndRotate(this, heads, epsilon, table, rows, cache, workspace);
            return;
        }
        HeadArguments arguments = new()
        {
            Queries = heads.Queries.View<float>(),
            Keys = heads.Keys.View<float>(),
            Values = heads.Values.View<float>(),
            QueryNorm = heads.QueryNorm.View<float>(),
            KeyNorm = heads.KeyNorm.View<float>(),
            Table = table.View<float>(),
            RotatedQueries = heads.RotatedQueries.View<float>(),
            RotatedKeys = heads.RotatedKeys.View<float>(),
            QueryHeads = heads.Queries.Columns / dimension,
            KeyHeads = heads.Keys.Columns / dimension,
            Dimension = dimension,
            Epsilon = epsilon,
            FirstRow = rows.FirstRow,
            Position = PositionView.Of(rows, table),
            Count = cache is null ? 0 : rows.Count,
        };
        if (cache is not null)
            arguments.Cache = CacheView.Of(cache);
        else
            // Views of something valid, which are never used: OpenCL takes no empty ones.
            (arguments.Cache.Keys, arguments.Cache.Values, arguments.Cache.Slots) =
                (arguments.RotatedKeys.Cast<uint>(), arguments.RotatedKeys.Cast<uint>(), 1);
        int groups = checked(table.Rows * (arguments.QueryHeads + arguments.KeyHeads));
        _normalizeAndRotate.For(cache?.Format ?? DType.F32).Run(_device, groups, 1, Threads, arguments);
    }

    /// <summary>
    /// One group for each head of each token, query heads first: the sums of <see cref="RmsNormKernel"/>, the pairs of
    /// <see cref="RopeKernel"/>, and, for a key's head whose row is to be kept, the slot of <see cref="AppendKernel{TElement}"/>.
    /// </summary>
    private static void NormalizeAndRotateKernel<TElement>(HeadArguments a) where TElement : struct, ICacheElement
    {
        ArrayView<float> shared = SharedMemory.Allocate<float>(Threads);
        ArrayView<float> normed = SharedMemory.Allocate<float>(MostHeadDimension);
        int heads = a.QueryHeads + a.KeyHeads, row = Grid.IdxX / heads, head = Grid.IdxX % heads, width = a.QueryHeads;
        ArrayView<float> source = a.Queries, weight = a.QueryNorm, target = a.RotatedQueries;
        bool isKey = head >= a.QueryHeads;
        if (isKey)
        {
            source = a.Keys;
            weight = a.KeyNorm;
            target = a.RotatedKeys;
            head -= a.QueryHeads;
            width = a.KeyHeads;
        }
        long first = ((long)row * width + head) * a.Dimension;
        Normalize(source.SubView(first, a.Dimension), weight, a.Dimension, a.Epsilon, normed, 0, shared);
        Group.Barrier();
        int half = a.Dimension / 2, kept = row - a.FirstRow;
        bool keeps = isKey && kept >= 0 && kept < a.Count;
        int slot = (a.Position.First + kept) % a.Cache.Slots;
        for (int i = Group.IdxX; i < half; i += Threads)
        {
            long angle = (long)row * a.Dimension + i;
            float cos = a.Table[angle], sin = a.Table[angle + half], left = normed[i], right = normed[i + half];
            float turned = left * cos - right * sin, other = right * cos + left * sin;
            target[first + i] = turned;
            target[first + i + half] = other;
            if (keeps)
            {
                TElement.Store(a.Cache.Keys, a.Cache.KeyIndex(slot, head, i), turned);
                TElement.Store(a.Cache.Keys, a.Cache.KeyIndex(slot, head, i + half), other);
            }
        }
        if (keeps)
        {
            for (int i = Group.IdxX; i < a.Dimension; i += Threads)
                TElement.Store(a.Cache.Values, a.Cache.ValueIndex(slot, head, i), a.Values[first + i]);
        }
    }

    internal struct HeadArguments
    {
        public ArrayView<float> Queries;
        public ArrayView<float> Keys;
        public ArrayView<float> Values;
        public ArrayView<float> QueryNorm;
        public ArrayView<float> KeyNorm;
        public ArrayView<float> Table;
        public ArrayView<float> RotatedQueries;
        public ArrayView<float> RotatedKeys;
        public CacheView Cache;
        public PositionView Position;
        public int QueryHeads;
        public int KeyHeads;
        public int Dimension;
        public float Epsilon;
        public int FirstRow;
        public int Count;
    }
}
