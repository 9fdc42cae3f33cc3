using ILGPU;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    /// <summary>One group for each query head (x) and query (y): all splits, merged as they come.</summary>
    private static void AttentionKernel<TElement>(AttentionArguments a) where TElement : struct, ICacheElement
    {
        ArrayView<float> query = SharedMemory.Allocate<float>(MostHeadDimension);
        ArrayView<float> scores = SharedMemory.Allocate<float>(KvLayer.TileSlots);
        ArrayView<float> weights = SharedMemory.Allocate<float>(KvLayer.TileSlots);
        int head = Grid.IdxX, row = Grid.IdxY, first = a.FirstVisible(row), position = a.Position.First + row;
        LoadQuery(a, row, head, query);
        Softmax merged = Softmax.Empty;
        for (int split = first / SplitPositions; split <= position / SplitPositions; split++)
        {
            Softmax part = RunSplit<TElement>(a, head, split, first, position, query, scores, weights);
            merged = Softmax.Merge(merged, part);
        }
        WriteHead(a, row, head, merged);
    }

    /// <summary>One group for each split of a query head (x) and query (y).</summary>
    private static void AttentionSplitKernel<TElement>(AttentionArguments a) where TElement : struct, ICacheElement
    {
        ArrayView<float> query = SharedMemory.Allocate<float>(MostHeadDimension);
        ArrayView<float> scores = SharedMemory.Allocate<float>(KvLayer.TileSlots);
        ArrayView<float> weights = SharedMemory.Allocate<float>(KvLayer.TileSlots);
        int head = Grid.IdxX / a.SplitCount, row = Grid.IdxY, first = a.FirstVisible(row), position = a.Position.First + row;
        int split = a.FirstVisible(0) / SplitPositions + Grid.IdxX % a.SplitCount;
        // A later query may not see the first split any more, an earlier one not yet the last.
        if (split < first / SplitPositions || split > position / SplitPositions)
            return;
        LoadQuery(a, row, head, query);
        Softmax part = RunSplit<TElement>(a, head, split, first, position, query, scores, weights);
        long place = a.SplitPlace(row, head, Grid.IdxX % a.SplitCount);
        for (int i = 0, d = Group.IdxX; d < a.Cache.Dimension; i++, d += Threads)
            a.Splits[place + 2 + d] = part.Value(i);
        if (Group.IdxX == 0)
        {
            a.Splits[place] = part.Maximum;
            a.Splits[place + 1] = part.Sum;
        }
    }

    /// <summary>One group for each query head (x) and query (y): merges its splits in order.</summary>
    private static void AttentionMergeKernel(AttentionArguments a)
    {
        int head = Grid.IdxX, row = Grid.IdxY, base0 = a.FirstVisible(0) / SplitPositions, t = Group.IdxX;
        Softmax merged = Softmax.Empty;
        for (int split = a.FirstVisible(row) / SplitPositions; split <= (a.Position.First + row) / SplitPositions; split++)
        {
            long place = a.SplitPlace(row, head, split - base0);
            Softmax part = Softmax.Empty;
            part.Maximum = a.Splits[place];
            part.Sum = a.Splits[place + 1];
            part.V0 = t < a.Cache.Dimension ? a.Splits[place + 2 + t] : 0f;
            part.V1 = t + Threads < a.Cache.Dimension ? a.Splits[place + 2 + t + Threads] : 0f;
            part.V2 = t + 2 * Threads < a.Cache.Dimension ? a.Splits[place + 2 + t + 2 * Threads] : 0f;
            part.V3 = t + 3 * Threads < a.Cache.Dimension ? a.Splits[place + 2 + t + 3 * Threads] : 0f;
            merged = Softmax.Merge(merged, part);
        }
        WriteHead(a, row, head, merged);
    }

    /// <summary>The online softmax of a split's visible positions, tile by tile of 64; thread t has dimensions t, t + 64, …</summary>
    private static Softmax RunSplit<TElement>(
        AttentionArguments a, int head, int split, int first, int position, ArrayView<float> query, ArrayView<float> scores, ArrayView<float> weights)
        where TElement : struct, ICacheElement
    {
        int kvHead = head / (a.QueryHeads / a.Cache.Heads), t = Group.IdxX, dimension = a.Cache.Dimension;
        int begin = IntrinsicMath.Max(split * SplitPositions, first), end = IntrinsicMath.Min((split + 1) * SplitPositions, position + 1);
        Softmax state = Softmax.Empty;
        for (int tile = begin / KvLayer.TileSlots * KvLayer.TileSlots; tile < end; tile += KvLayer.TileSlots)
        {
            // Unwritten slots may hold anything: they are not read.
            int from = IntrinsicMath.Max(begin - tile, 0), to = IntrinsicMath.Min(end - tile, KvLayer.TileSlots);
            int slots = tile % a.Cache.Slots;
            float score = float.NegativeInfinity;
            if (t >= from && t < to)
            {
                score = 0;
                long key = a.Cache.KeyIndex(slots + t, kvHead, 0);
                for (int d = 0; d < dimension; d++)
                    score = query[d] * TElement.Load(a.Cache.Keys, key + d * KvLayer.BlockSlots) + score;
                score *= a.Scale;
            }
            scores[t] = score;
            Group.Barrier();
            float maximum = state.Maximum;
            for (int j = from; j < to; j++)
                maximum = scores[j] > maximum ? scores[j] : maximum;
            weights[t] = t >= from && t < to ? DeviceMath.Exp(score - maximum) : 0f;
            Group.Barrier();
            float shrink = DeviceMath.Exp(state.Maximum - maximum);
            state.Maximum = maximum;
            state.Sum *= shrink;
            state.V0 *= shrink;
            state.V1 *= shrink;
            state.V2 *= shrink;
            state.V3 *= shrink;
            for (int j = from; j < to; j++)
            {
                float weight = weights[j];
                long value = a.Cache.ValueIndex(slots + j, kvHead, 0);
                state.Sum += weight;
                if (t < dimension)
                    state.V0 = weight * TElement.Load(a.Cache.Values, value + t) + state.V0;
                if (t + Threads < dimension)
                    state.V1 = weight * TElement.Load(a.Cache.Values, value + t + Threads) + state.V1;
                if (t + 2 * Threads < dimension)
                    state.V2 = weight * TElement.Load(a.Cache.Values, value + t + 2 * Threads) + state.V2;
                if (t + 3 * Threads < dimension)
                    state.V3 = weight * TElement.Load(a.Cache.Values, value + t + 3 * Threads) + state.V3;
            }
        }
        return state;
    }

    private static void LoadQuery(AttentionArguments a, int row, int head, ArrayView<float> query)
    {
        long source = a.HeadPlace(row, head);
        for (int d = Group.IdxX; d < a.Cache.Dimension; d += Threads)
            query[d] = a.Q[source + d];
        Group.Barrier();
    }

    private static void WriteHead(AttentionArguments a, int row, int head, Softmax state)
    {
        long target = a.HeadPlace(row, head);
        for (int i = 0, d = Group.IdxX; d < a.Cache.Dimension; i++, d += Threads)
            a.Output[target + d] = state.Value(i) / state.Sum;
        if (Group.IdxX == 0 && a.HasLogSumExp != 0)
            a.LogSumExp[(long)(a.FirstRow + row) * a.QueryHeads + head] = state.Maximum + DeviceMath.Log(state.Sum);
    }

    internal struct AttentionArguments
    {
        public ArrayView<float> Q;
        public CacheView Cache;
        public ArrayView<float> Output;
        public ArrayView<float> LogSumExp;
        public ArrayView<float> Splits;
        public PositionView Position;
        public int SplitCount;
        public int HasLogSumExp;
        public int FirstRow;
        public int QueryHeads;
        public int Window;
        public float Scale;

        /// <summary>The first position that a query sees.</summary>
        public readonly int FirstVisible(int row) => Window == 0 ? 0 : IntrinsicMath.Max(0, Position.First + row - Window + 1);

        /// <summary>Where a head of a query begins in Q and in the output.</summary>
        public readonly long HeadPlace(int row, int head) => ((long)(FirstRow + row) * QueryHeads + head) * Cache.Dimension;

        /// <summary>Where a split's result begins: maximum, sum, values.</summary>
        public readonly long SplitPlace(int row, int head, int split) =>
            (((long)row * QueryHeads + head) * SplitCount + split) * (Cache.Dimension + 2);
    }

    /// <summary>The state of an online softmax: the largest score, Σ e^{s − maximum}, and a thread's sums of values.</summary>
    internal struct Softmax
    {
        public float Maximum;
        public float Sum;
        public float V0;
        public float V1;
        public float V2;
        public float V3;

        public static Softmax Empty => new() { Maximum = float.NegativeInfinity };

        public readonly float Value(int index) => index == 0 ? V0 : index == 1 ? V1 : index == 2 ? V2 : V3;

        public static Softmax Merge(Softmax x, Softmax y)
        {
            Softmax result = default;
            result.Maximum = y.Maximum > x.Maximum ? y.Maximum : x.Maximum;
            float left = DeviceMath.Exp(x.Maximum - result.Maximum), right = DeviceMath.Exp(y.Maximum - result.Maximum);
            result.Sum = x.Sum * left + y.Sum * right;
            result.V0 = x.V0 * left + y.V0 * right;
            result.V1 = x.V1 * left + y.V1 * right;
            result.V2 = x.V2 * left + y.V2 * right;
            result.V3 = x.V3 * left + y.V3 * right;
            return result;
        }
    }
}
