using ILGPU;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    // A query's keys are walked in splits of this many positions, aligned to position 0: each begins its own online softmax, and
    // their results are merged in order. So it does not matter whether one group walks them all or each has a group.
    private const int SplitPositions = 512;

    // Up to this many queries, splits have groups of their own.
    private const int MostSplitQueries = 8;
    private const int MostHeadDimension = 256;

    private readonly CacheKernels<AppendArguments> _append = new(
        "AppendKeyValues", AppendKernel<Float32Element>, AppendKernel<BFloat16Element>);

    private readonly CacheKernels<AttentionArguments> _attention = new(
        "Attention", AttentionKernel<Float32Element>, AttentionKernel<BFloat16Element>);

    private readonly CacheKernels<AttentionArguments> _attentionSplit = new(
        "AttentionSplit", AttentionSplitKernel<Float32Element>, AttentionSplitKernel<BFloat16Element>);

    private readonly GpuKernel<AttentionArguments> _attentionMerge = new("AttentionMerge", AttentionMergeKernel);
    private Tensor? _splitScratch;

    /// <inheritdoc/>
    public void AppendKeyValues(Tensor k, Tensor v, SequenceRows rows, KvLayer cache)
    {
        if (rows.Count == 0)
            return;
        AppendArguments arguments = new()
        {
            K = k.View<float>(),
            V = v.View<float>(),
            Cache = CacheView.Of(cache),
            FirstRow = rows.FirstRow,
            Position = PositionView.Of(rows, k),
            Count = rows.Count * k.Columns,
        };
        _append.For(cache.Format).Run(_device, Groups(arguments.Count), 1, Threads, arguments);
    }

    /// <inheritdoc/>
    /// <exception cref="InvalidInputException">Heads are wider than 256, or the device has no room for the splits' results.</exception>
    public void Attention(
        Tensor q, SequenceRows rows, KvLayer cache, AttentionParameters parameters, Tensor output, Tensor? logSumExp = null)
    {
        if (cache.Dimension > MostHeadDimension)
            throw new InvalidInputException($"The model's heads are {cache.Dimension} wide; the device kernels take at most {MostHeadDimension}.");
        if (rows.Count == 0)
            return;
        AttentionArguments arguments = new()
        {
            Q = q.View<float>(),
            Cache = CacheView.Of(cache),
            Output = output.View<float>(),
            // A view of something valid where there is none: OpenCL takes no empty ones.
            LogSumExp = (logSumExp ?? output).View<float>(),
            HasLogSumExp = logSumExp is null ? 0 : 1,
            FirstRow = rows.FirstRow,
            Position = PositionView.Of(rows, q),
            QueryHeads = parameters.QueryHeads,
            Window = parameters.Window,
            Scale = parameters.Scale,
        };
        int splits = Splits(rows, cache, parameters.Window);
        if (rows.Count > MostSplitQueries || splits == 1)
        {
            arguments.Splits = arguments.Output;
            _attention.For(cache.Format).Run(_device, parameters.QueryHeads, rows.Count, Threads, arguments);
            return;
        }
        arguments.SplitCount = splits;
        arguments.Splits = SplitScratch(SplitScratchCount(parameters.QueryHeads, cache.Dimension, MostSplits(cache, parameters.Window))).View<float>();
        _attentionSplit.For(cache.Format).Run(_device, parameters.QueryHeads * splits, rows.Count, Threads, arguments);
        _attentionMerge.Run(_device, parameters.QueryHeads, rows.Count, Threads, arguments);
    }

    private Tensor SplitScratch(long count)
    {
        if (_splitScratch is null || _splitScratch.Count < count)
        {
            _splitScratch?.Dispose();
            _splitScratch = null;
            _splitScratch = Tensor.Allocate(DType.F32, new Shape(checked((int)count)), _device);
        }
        return _splitScratch;
    }

    /// <summary>The numbers that the splits of one call leave at most, whatever the position.</summary>
    internal static long SplitScratchCount(int queryHeads, int dimension, int splits) =>
        checked((long)MostSplitQueries * queryHeads * splits * (dimension + 2));

    // Where the host's position does not count there are groups for every split that there may ever be; those without one end.
    private static int Splits(SequenceRows rows, KvLayer cache, int window)
    {
        if (rows.Start is not null)
            return MostSplits(cache, window);
        int first = window == 0 ? 0 : Math.Max(0, rows.Position - window + 1);
        return (rows.Position + rows.Count - 1) / SplitPositions - first / SplitPositions + 1;
    }

    /// <summary>The splits that up to <see cref="MostSplitQueries"/> queries can see together: of all slots, or of a window anywhere.</summary>
    internal static int MostSplits(KvLayer cache, int window) => MostSplits(cache.Slots, window);

    private static int MostSplits(int slots, int window) => window == 0
        ? (slots + SplitPositions - 1) / SplitPositions
        : (window + MostSplitQueries - 2) / SplitPositions + 2;

    /// <summary>One thread for each element of the rows of k and v.</summary>
    private static void AppendKernel<TElement>(AppendArguments a) where TElement : struct, ICacheElement
    {
        int i = Grid.IdxX * Threads + Group.IdxX;
        if (i >= a.Count)
            return;
        int width = a.Cache.Heads * a.Cache.Dimension, row = i / width, head = i % width / a.Cache.Dimension, d = i % a.Cache.Dimension;
        int slot = (a.Position.First + row) % a.Cache.Slots;
        long source = (long)a.FirstRow * width + i;
        TElement.Store(a.Cache.Keys, a.Cache.KeyIndex(slot, head, d), a.K[source]);
        TElement.Store(a.Cache.Values, a.Cache.ValueIndex(slot, head, d), a.V[source]);
    }

    internal struct AppendArguments
    {
        public ArrayView<float> K;
        public ArrayView<float> V;
        public CacheView Cache;
        public PositionView Position;
        public int FirstRow;
        public int Count;
    }
}
