using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes>
{
    private NativeBuffer? _attentionDeltas;

    /// <inheritdoc cref="ITrainingKernels.AttentionBackward"/>
    public void AttentionBackward(
        Tensor q, SequenceRows rows, KvLayer cache, AttentionParameters parameters, Tensor output, Tensor logSumExp, Tensor dOutput,
        Tensor dq, Tensor dk, Tensor dv)
    {
        cache.CheckWholeSequence(rows);
        if (rows.Count == 0)
            return;
        AttentionBackwardCall call = new()
        {
            Query = q.Pointer<float>(),
            DOutput = dOutput.Pointer<float>(),
            LogSumExp = logSumExp.Pointer<float>(),
            Deltas = ReserveScratch(ref _attentionDeltas, logSumExp.Count * sizeof(float)),
            Keys = cache.Keys.Data,
            Values = cache.Values.Data,
            Rows = rows,
            Parameters = parameters,
            Heads = cache.Heads,
            Dimension = cache.Dimension,
        };
        DeltaJob deltas = new(call, output.Pointer<float>());
        _pool.For(ref deltas, rows.Count, Math.Max(1, ElementsPerChunk / Math.Max(1, q.Columns)));
        if (IsBFloat16(cache))
            Differentiate<BFloat16Cache>(in call, dq.Pointer<float>(), dk.Pointer<float>(), dv.Pointer<float>());
        else
            Differentiate<Float32Cache>(in call, dq.Pointer<float>(), dk.Pointer<float>(), dv.Pointer<float>());
    }

    // Sums of dq that a worker keeps beside a walk over keys.
    private const long QuerySumFloats = 1 << 22;

    // All three gradients sum by themselves, in order, and nothing is shared by workers. Where there are heads for all of them,
    // a walk over the pairs of tiles makes all three; else one walk makes dq and another dk and dv, cut into more items.
    // A sum has the same terms in the same order either way.
    private void Differentiate<TCache>(in AttentionBackwardCall call, float* dq, float* dk, float* dv) where TCache : struct, ICacheFormat
    {
        long floats = AttentionBackwardTile<TLanes, TCache>.ScratchFloats(in call);
        long sums = (long)call.Batches * KvLayer.TileSlots * call.Padded;
        if (call.Heads % _pool.Count == 0 && sums <= QuerySumFloats)
        {
            float* whole = ReserveScratch(ref _attentionScratch, _pool.Count * (floats + sums) * sizeof(float));
            HeadGradientJob<TCache> heads = new(call, whole, floats + sums, dq, dk, dv);
            _pool.For(ref heads, call.Heads);
            return;
        }
        float* scratch = ReserveScratch(ref _attentionScratch, _pool.Count * floats * sizeof(float));
        QueryGradientJob<TCache> queries = new(call, scratch, dq);
        _pool.For(ref queries, checked(call.Heads * call.Batches));
        KeyGradientJob<TCache> keys = new(call, scratch, dk, dv);
        _pool.For(ref keys, checked(call.Heads * call.Tiles));
    }

    // D = dout·out of each query.
    private readonly struct DeltaJob(AttentionBackwardCall call, float* output) : IParallelJob
    {
        public void Run(int begin, int end, int worker)
        {
            int heads = call.Parameters.QueryHeads, dimension = call.Dimension;
            for (long place = (long)(call.Rows.FirstRow + begin) * heads; place < (long)(call.Rows.FirstRow + end) * heads; place++)
            {
                float* a = call.DOutput + place * dimension;
                float* b = output + place * dimension;
                TLanes sum = TLanes.Zero;
                int d = 0;
                for (; d <= dimension - 16; d += 16)
                    sum = TLanes.FusedMultiplyAdd(TLanes.Load(a + d), TLanes.Load(b + d), sum);
                if (d < dimension)
                    sum = TLanes.FusedMultiplyAdd(LaneTail<TLanes>.Load(a + d, dimension - d), LaneTail<TLanes>.Load(b + d, dimension - d), sum);
                call.Deltas[place] = TLanes.Sum(sum);
            }
        }
    }

    // Item: a KV head and a batch of its queries, which walks the tiles that they see.
    private readonly struct QueryGradientJob<TCache>(AttentionBackwardCall call, float* scratch, float* dq) : IParallelJob
        where TCache : struct, ICacheFormat
    {
        public void Run(int begin, int end, int worker)
        {
            AttentionBackwardTile<TLanes, TCache> work = new(
                in call, scratch + worker * AttentionBackwardTile<TLanes, TCache>.ScratchFloats(in call));
            for (int item = begin; item < end; item++)
            {
                // The last rows see the most keys: they come first.
                int head = item % call.Heads, batch = call.Batches - 1 - item / call.Heads;
                int count = work.LoadQueries(head, batch);
                int first = batch * KvLayer.TileSlots / call.Group, last = (batch * KvLayer.TileSlots + count - 1) / call.Group;
                new Span<float>(work.First, KvLayer.TileSlots * call.Padded).Clear();
                for (int tile = call.FirstKey(first) / KvLayer.TileSlots; tile <= last / KvLayer.TileSlots; tile++)
                {
                    work.LoadKeys(head, tile);
                    work.Weigh(batch, tile, count);
                    work.AddToQueries(batch, tile, count, work.First);
                }
                call.StoreQueries(head, batch * KvLayer.TileSlots, count, work.First, dq);
            }
        }
    }

    // Item: a KV head and a tile of its keys, which walks the batches of queries that see it.
    private readonly struct KeyGradientJob<TCache>(AttentionBackwardCall call, float* scratch, float* dk, float* dv) : IParallelJob
        where TCache : struct, ICacheFormat
    {
        public void Run(int begin, int end, int worker)
        {
            AttentionBackwardTile<TLanes, TCache> work = new(
                in call, scratch + worker * AttentionBackwardTile<TLanes, TCache>.ScratchFloats(in call));
            for (int item = begin; item < end; item++)
                work.Walk(item % call.Heads, item / call.Heads, dk, dv, null);
        }
    }

    // Item: a KV head, whose tiles of keys walk their queries one after the other.
    private readonly struct HeadGradientJob<TCache>(AttentionBackwardCall call, float* scratch, long floats, float* dq, float* dk, float* dv) : IParallelJob
        where TCache : struct, ICacheFormat
    {
        public void Run(int begin, int end, int worker)
        {
            float* own = scratch + worker * floats;
            float* sums = own + AttentionBackwardTile<TLanes, TCache>.ScratchFloats(in call);
            AttentionBackwardTile<TLanes, TCache> work = new(in call, own);
            for (int head = begin; head < end; head++)
            {
                new Span<float>(sums, call.Batches * KvLayer.TileSlots * call.Padded).Clear();
                for (int tile = 0; tile < call.Tiles; tile++)
                    work.Walk(head, tile, dk, dv, sums);
                call.StoreQueries(head, 0, call.Rows.Count * call.Group, sums, dq);
            }
        }
    }
}
