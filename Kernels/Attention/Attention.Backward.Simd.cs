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

    // Two passes over the pairs of tiles: each sums what it writes by itself, in order, and nothing is shared by workers.
    private void Differentiate<TCache>(in AttentionBackwardCall call, float* dq, float* dk, float* dv) where TCache : struct, ICacheFormat
    {
        float* scratch = ReserveScratch(
            ref _attentionScratch, _pool.Count * AttentionBackwardTile<TLanes, TCache>.ScratchFloats(in call) * sizeof(float));
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
            int padded = call.Padded, dimension = call.Dimension;
            AttentionBackwardTile<TLanes, TCache> work = new(
                in call, scratch + worker * AttentionBackwardTile<TLanes, TCache>.ScratchFloats(in call));
            for (int item = begin; item < end; item++)
            {
                // The last rows see the most keys: they come first.
                int head = item % call.Heads, batch = call.Batches - 1 - item / call.Heads;
                int count = work.LoadQueries(head, batch);
                int first = batch * KvLayer.TileSlots / call.Group, last = (batch * KvLayer.TileSlots + count - 1) / call.Group;
                new Span<float>(work.First, KvLayer.TileSlots * padded).Clear();
                for (int tile = call.FirstKey(first) / KvLayer.TileSlots; tile <= last / KvLayer.TileSlots; tile++)
                {
                    work.LoadKeys(head, tile);
                    work.Weigh(batch, tile, count);
                    work.AddToQueries(count);
                }
                for (int i = 0; i < count; i++)
                    new ReadOnlySpan<float>(work.First + i * padded, dimension).CopyTo(
                        new Span<float>(dq + call.Place(head, batch * KvLayer.TileSlots + i) * dimension, dimension));
            }
        }
    }

    // Item: a KV head and a tile of its keys, which walks the batches of queries that see it.
    private readonly struct KeyGradientJob<TCache>(AttentionBackwardCall call, float* scratch, float* dk, float* dv) : IParallelJob
        where TCache : struct, ICacheFormat
    {
        public void Run(int begin, int end, int worker)
        {
            int padded = call.Padded, dimension = call.Dimension;
            AttentionBackwardTile<TLanes, TCache> work = new(
                in call, scratch + worker * AttentionBackwardTile<TLanes, TCache>.ScratchFloats(in call));
            for (int item = begin; item < end; item++)
            {
                int head = item % call.Heads, tile = item / call.Heads, first = tile * KvLayer.TileSlots;
                int count = Math.Min(KvLayer.TileSlots, call.Rows.Count - first);
                work.LoadKeys(head, tile);
                new Span<float>(work.First, KvLayer.TileSlots * padded).Clear();
                new Span<float>(work.Second, KvLayer.TileSlots * padded).Clear();
                long lastQuery = (long)(call.LastRow(first + count - 1) + 1) * call.Group - 1;
                for (int batch = (int)((long)first * call.Group / KvLayer.TileSlots); batch <= lastQuery / KvLayer.TileSlots; batch++)
                {
                    int queries = work.LoadQueries(head, batch);
                    work.Weigh(batch, tile, queries);
                    work.AddToKeys(queries);
                }
                for (int j = 0; j < count; j++)
                {
                    long place = ((long)(call.Rows.FirstRow + first + j) * call.Heads + head) * dimension;
                    new ReadOnlySpan<float>(work.First + j * padded, dimension).CopyTo(new Span<float>(dk + place, dimension));
                    new ReadOnlySpan<float>(work.Second + j * padded, dimension).CopyTo(new Span<float>(dv + place, dimension));
                }
            }
        }
    }
}
