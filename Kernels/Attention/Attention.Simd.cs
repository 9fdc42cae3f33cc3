using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes>
{
    // So many queries of one KV head share a pass over its keys: their scores and sums stay in the second cache.
    private const int QueriesPerItem = 64;

    private NativeBuffer? _attentionScratch;

    /// <inheritdoc cref="IForwardKernels.Attention"/>
    public void Attention(
        Tensor q, SequenceRows rows, KvLayer cache, AttentionParameters parameters, Tensor output, Tensor? logSumExp = null)
    {
        if (IsBFloat16(cache))
            Attend<BFloat16Cache>(q, rows, cache, parameters, output, logSumExp);
        else
            Attend<Float32Cache>(q, rows, cache, parameters, output, logSumExp);
    }

    private void Attend<TCache>(
        Tensor q, SequenceRows rows, KvLayer cache, AttentionParameters parameters, Tensor output, Tensor? logSumExp)
        where TCache : struct, ICacheFormat
    {
        if (rows.Count == 0)
            return;
        int group = parameters.QueryHeads / cache.Heads;
        int itemRows = Math.Clamp(QueriesPerItem / group, 1, rows.Count);
        // Enough items for every worker; how the rows are divided changes no bits.
        while (itemRows > 1 && cache.Heads * ((rows.Count + itemRows - 1) / itemRows) < 2 * _pool.Count)
            itemRows = (itemRows + 1) / 2;
        AttentionJob<TCache> job = new()
        {
            Query = q.Pointer<float>(),
            Output = output.Pointer<float>(),
            LogSumExp = logSumExp is null ? null : logSumExp.Pointer<float>(),
            Keys = cache.Keys.Data,
            Values = cache.Values.Data,
            Rows = rows,
            Parameters = parameters,
            Group = group,
            Heads = cache.Heads,
            Dimension = cache.Dimension,
            Slots = cache.Slots,
            ItemRows = itemRows,
        };
        job.Scratch = ReserveScratch(ref _attentionScratch, _pool.Count * job.ScratchFloats * sizeof(float));
        long work = (long)rows.Count * parameters.QueryHeads * cache.Dimension
            * Math.Min(rows.Position + rows.Count, parameters.Window == 0 ? int.MaxValue : parameters.Window);
        int items = cache.Heads * job.RowTiles;
        _pool.For(ref job, items, work < 65536 ? items : 1);
    }

    /// <summary>
    /// Online softmax (Milakov and Gimelshein, arXiv 1805.02867) as tiled attention uses it (Dao et al., arXiv
    /// 2205.14135). An item is a KV head and some rows: their queries walk the keys tile by tile. A query has a running
    /// maximum, sixteen running sums (a key's slot mod 16) and a running output; a tile's scores are computed for all
    /// queries, then its values are added.
    /// </summary>
    private struct AttentionJob<TCache> : IParallelJob where TCache : struct, ICacheFormat
    {
        private const int Tile = KvLayer.TileSlots;
        private const int PrefetchQueries = 16;

        public float* Query;
        public float* Output;
        public float* LogSumExp;
        public float* Scratch;
        public byte* Keys;
        public byte* Values;
        public SequenceRows Rows;
        public AttentionParameters Parameters;
        public int Group;
        public int Heads;
        public int Dimension;
        public int Slots;
        public int ItemRows;

        private static ReadOnlySpan<float> Indices =>
        [
            0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
            32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
        ];

        /// <summary>How many items a KV head has.</summary>
        public readonly int RowTiles => (Rows.Count + ItemRows - 1) / ItemRows;

        /// <summary>The scratch memory of a worker: scores, outputs, sums and maxima of an item's queries.</summary>
        public readonly long ScratchFloats => (long)MaxQueries * (Tile + Padded + 16) + (MaxQueries + 15) / 16 * 16;

        private readonly int MaxQueries => ItemRows * Group;

        private readonly int Padded => (Dimension + 15) / 16 * 16;

        public readonly void Run(int begin, int end, int worker)
        {
            for (int item = begin; item < end; item++)
            {
                // The last rows see the most keys: they come first, so that no worker ends with a long item.
                int first = (RowTiles - 1 - item / Heads) * ItemRows;
                Run(item % Heads, first, Math.Min(first + ItemRows, Rows.Count), Scratch + worker * ScratchFloats);
            }
        }

        private readonly void Run(int head, int firstRow, int endRow, float* scratch)
        {
            int queries = (endRow - firstRow) * Group;
            float* scores = scratch;
            float* outputs = scores + MaxQueries * Tile;
            float* sums = outputs + MaxQueries * Padded;
            float* maxima = sums + MaxQueries * 16;
            new Span<float>(outputs, queries * Padded).Clear();
            new Span<float>(sums, queries * 16).Clear();
            new Span<float>(maxima, queries).Fill(float.NegativeInfinity);

            long blockBytes = (long)Heads * Dimension * KvLayer.BlockSlots * TCache.Size;
            for (int tile = FirstKey(firstRow) / Tile; tile <= (Rows.Position + endRow - 1) / Tile; tile++)
            {
                int start = tile * Tile;
                int begin = firstRow, end = endRow;
                while (Rows.Position + begin < start)
                    begin++;
                while (FirstKey(end - 1) >= start + Tile)
                    end--;
                long offset = TileOffset(tile, head, blockBytes);
                int from = (begin - firstRow) * Group, to = (end - firstRow) * Group;
                TileItem item = new(head, firstRow, start, from, to, blockBytes, scores, outputs, sums, maxima);
                // Few queries wait for memory: what comes next is on its way while they work on this.
                if (queries <= PrefetchQueries)
                    Prefetch(Values + offset, blockBytes);
                Score(item, Keys + offset);
                for (int i = from; i < to; i++)
                    Soften(item, i);
                if (queries <= PrefetchQueries)
                    Prefetch(Keys + TileOffset(tile + 1, head, blockBytes), blockBytes);
                AddValues(item, Values + offset);
            }
            for (int i = 0; i < queries; i++)
                Finish(head, firstRow, i, outputs + i * Padded, sums + i * 16, maxima[i]);
        }

        private readonly long TileOffset(int tile, int head, long blockBytes) =>
            (long)tile * Tile % Slots / KvLayer.BlockSlots * blockBytes + (long)head * Dimension * KvLayer.BlockSlots * TCache.Size;

        private readonly void Prefetch(byte* tile, long blockBytes)
        {
            if (!Sse.IsSupported)
                return;
            for (int block = 0; block < Tile / KvLayer.BlockSlots; block++, tile += blockBytes)
                for (int i = 0; i < Dimension * KvLayer.BlockSlots * TCache.Size; i += 64)
                    Sse.Prefetch0(tile + i);
        }

        // One tile and the queries of the item that see a part of it.
        private readonly struct TileItem(
            int head, int firstRow, int start, int from, int to, long blockBytes, float* scores, float* outputs, float* sums, float* maxima)
        {
            public readonly int Head = head, FirstRow = firstRow, Start = start, From = from, To = to;
            public readonly long BlockBytes = blockBytes;
            public readonly float* Scores = scores;
            public readonly float* Outputs = outputs;
            public readonly float* Sums = sums;
            public readonly float* Maxima = maxima;
        }

        private readonly int FirstKey(int row) =>
            Parameters.Window == 0 ? 0 : Math.Max(0, Rows.Position + row - Parameters.Window + 1);

        // Query i of an item: the heads of its first row, then those of the next.
        private readonly float* QueryOf(in TileItem item, int i) =>
            Query + ((long)(Rows.FirstRow + item.FirstRow + i / Group) * Parameters.QueryHeads + item.Head * Group + i % Group) * Dimension;

        private readonly int BeginOf(in TileItem item, int i) => Math.Max(FirstKey(item.FirstRow + i / Group) - item.Start, 0);

        private readonly int EndOf(in TileItem item, int i) => Math.Min(Rows.Position + item.FirstRow + i / Group + 1 - item.Start, Tile);

        private readonly void Score(in TileItem item, byte* keys)
        {
            int i = item.From;
            for (; i <= item.To - 4; i += 4)
            {
                int begin = BeginOf(item, i) / KvLayer.BlockSlots;
                int end = (EndOf(item, i + 3) + KvLayer.BlockSlots - 1) / KvLayer.BlockSlots;
                AttentionTiles<TLanes, TCache>.Scores4(
                    QueryOf(item, i), QueryOf(item, i + 1), QueryOf(item, i + 2), QueryOf(item, i + 3),
                    keys, item.BlockBytes, begin, end, Dimension, item.Scores + i * Tile);
            }
            for (; i < item.To; i++)
            {
                int begin = BeginOf(item, i) / KvLayer.BlockSlots;
                int end = (EndOf(item, i) + KvLayer.BlockSlots - 1) / KvLayer.BlockSlots;
                AttentionTiles<TLanes, TCache>.Scores1(QueryOf(item, i), keys, item.BlockBytes, begin, end, Dimension, item.Scores + i * Tile);
            }
        }

        // Scores to weights e^{s − maximum}; what was summed under an older maximum is scaled down to the new one.
        private readonly void Soften(in TileItem item, int i)
        {
            float* p = item.Scores + i * Tile;
            TLanes scale = TLanes.Broadcast(Parameters.Scale);
            TLanes s0 = TLanes.Load(p) * scale, s1 = TLanes.Load(p + 16) * scale;
            TLanes s2 = TLanes.Load(p + 32) * scale, s3 = TLanes.Load(p + 48) * scale;
            int begin = BeginOf(item, i), end = EndOf(item, i);
            if (begin > 0 || end < Tile)
            {
                float* index = (float*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(Indices));
                TLanes low = TLanes.Broadcast(begin), high = TLanes.Broadcast(end);
                s0 = Visible(TLanes.Load(index), low, high, s0);
                s1 = Visible(TLanes.Load(index + 16), low, high, s1);
                s2 = Visible(TLanes.Load(index + 32), low, high, s2);
                s3 = Visible(TLanes.Load(index + 48), low, high, s3);
            }
            float old = item.Maxima[i];
            float largest = TLanes.MaxLane(TLanes.Max(TLanes.Max(s0, s1), TLanes.Max(s2, s3)));
            TLanes sum = TLanes.Load(item.Sums + i * 16);
            if (largest > old)
            {
                item.Maxima[i] = largest;
                TLanes factor = LaneMath<TLanes>.Exp(TLanes.Broadcast(old - largest));
                sum *= factor;
                float* output = item.Outputs + i * Padded;
                for (int d = 0; d < Padded; d += 16)
                    TLanes.Store(TLanes.Load(output + d) * factor, output + d);
            }
            // While nothing but −∞ was seen the weights are 0, not e^{−∞ + ∞}.
            float maximum = item.Maxima[i];
            TLanes shift = TLanes.Broadcast(float.IsNegativeInfinity(maximum) ? 0 : maximum);
            // Blocks that the query does not see weigh 0 without asking.
            s0 = begin < 16 ? LaneMath<TLanes>.Exp(s0 - shift) : TLanes.Zero;
            s1 = begin < 32 && end > 16 ? LaneMath<TLanes>.Exp(s1 - shift) : TLanes.Zero;
            s2 = begin < 48 && end > 32 ? LaneMath<TLanes>.Exp(s2 - shift) : TLanes.Zero;
            s3 = end > 48 ? LaneMath<TLanes>.Exp(s3 - shift) : TLanes.Zero;
            TLanes.Store(s0, p);
            TLanes.Store(s1, p + 16);
            TLanes.Store(s2, p + 32);
            TLanes.Store(s3, p + 48);
            TLanes.Store(sum + s0 + s1 + s2 + s3, item.Sums + i * 16);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static TLanes Visible(TLanes index, TLanes begin, TLanes end, TLanes score)
        {
            TLanes hidden = TLanes.Broadcast(float.NegativeInfinity);
            return TLanes.SelectLess(index, begin, hidden, TLanes.SelectLess(index, end, score, hidden));
        }

        // Only visible keys: a weight of 0 would not silence a slot that holds NaN. What all four queries see is added
        // together, what only some see before and after it.
        private readonly void AddValues(in TileItem item, byte* values)
        {
            int i = item.From;
            for (; i <= item.To - 4; i += 4)
            {
                int begin = BeginOf(item, i + 3), end = EndOf(item, i);
                bool shared = begin < end;
                for (int n = i; n < i + 4; n++)
                    AddValues(item, values, n, BeginOf(item, n), shared ? begin : EndOf(item, n));
                if (!shared)
                    continue;
                AttentionTiles<TLanes, TCache>.Values4(
                    item.Scores + i * Tile, values, item.BlockBytes, begin, end, Dimension, item.Outputs + i * Padded, Padded);
                for (int n = i; n < i + 4; n++)
                    AddValues(item, values, n, end, EndOf(item, n));
            }
            for (; i < item.To; i++)
                AddValues(item, values, i, BeginOf(item, i), EndOf(item, i));
        }

        private readonly void AddValues(in TileItem item, byte* values, int i, int begin, int end)
        {
            if (begin < end)
                AttentionTiles<TLanes, TCache>.Values1(
                    item.Scores + i * Tile, values, item.BlockBytes, begin, end, Dimension, item.Outputs + i * Padded);
        }

        private readonly void Finish(int head, int firstRow, int i, float* output, float* sums, float maximum)
        {
            long place = (long)(Rows.FirstRow + firstRow + i / Group) * Parameters.QueryHeads + head * Group + i % Group;
            float sum = TLanes.Sum(TLanes.Load(sums));
            TLanes divisor = TLanes.Broadcast(sum);
            float* target = Output + place * Dimension;
            int d = 0;
            for (; d <= Dimension - 16; d += 16)
                TLanes.Store(TLanes.Load(output + d) / divisor, target + d);
            if (d < Dimension)
                LaneTail<TLanes>.Store(TLanes.Load(output + d) / divisor, target + d, Dimension - d);
            if (LogSumExp is not null)
                LogSumExp[place] = maximum + LaneMath<TLanes>.Log(sum);
        }
    }
}
