using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes>
{
    /// <inheritdoc cref="IForwardKernels.AppendKeyValues"/>
    public void AppendKeyValues(Tensor k, Tensor v, SequenceRows rows, KvLayer cache)
    {
        if (IsBFloat16(cache))
            Append<BFloat16Cache>(k, v, rows, cache);
        else
            Append<Float32Cache>(k, v, rows, cache);
    }

    private void Append<TCache>(Tensor k, Tensor v, SequenceRows rows, KvLayer cache) where TCache : struct, ICacheFormat
    {
        if (rows.Count == 0)
            return;
        AppendJob<TCache> job = new(k.Pointer<float>(), v.Pointer<float>(), rows, cache);
        int first = rows.Position / KvLayer.BlockSlots, last = (rows.Position + rows.Count - 1) / KvLayer.BlockSlots;
        _pool.For(ref job, last - first + 1, Math.Max(1, ElementsPerChunk / Math.Max(1, KvLayer.BlockSlots * k.Columns)));
    }

    private static bool IsBFloat16(KvLayer cache) => cache.Format switch
    {
        DType.BF16 => true,
        DType.F32 => false,
        _ => throw new ArgumentException($"These kernels read caches in F32 or BF16, not in {cache.Format}.", nameof(cache)),
    };

    // An item is a block of 16 slots: the keys of its rows are turned into columns together.
    private readonly struct AppendJob<TCache>(float* k, float* v, SequenceRows rows, KvLayer cache) : IParallelJob
        where TCache : struct, ICacheFormat
    {
        public void Run(int begin, int end, int worker)
        {
            for (int item = begin; item < end; item++)
            {
                int block = rows.Position / KvLayer.BlockSlots + item;
                int first = Math.Max(block * KvLayer.BlockSlots - rows.Position, 0);
                int stop = Math.Min((block + 1) * KvLayer.BlockSlots - rows.Position, rows.Count);
                int slot = (rows.Position + first) % cache.Slots;
                for (int head = 0; head < cache.Heads; head++)
                {
                    WriteKeys(first, stop, slot, head);
                    WriteValues(first, stop, slot, head);
                }
            }
        }

        private void WriteKeys(int first, int stop, int slot, int head)
        {
            int dimension = cache.Dimension, columns = cache.Heads * dimension;
            float* source = k + (long)(rows.FirstRow + first) * columns + head * dimension;
            byte* target = cache.Keys.Data + cache.KeyIndex(slot, head, 0) * TCache.Size;
            for (int d = 0; d < dimension; d++)
                for (int r = 0; r < stop - first; r++)
                    TCache.StoreOne(source[(long)r * columns + d], target + (d * KvLayer.BlockSlots + r) * TCache.Size);
        }

        private void WriteValues(int first, int stop, int slot, int head)
        {
            int dimension = cache.Dimension, columns = cache.Heads * dimension;
            for (int r = first; r < stop; r++)
            {
                float* source = v + (long)(rows.FirstRow + r) * columns + head * dimension;
                byte* target = cache.Values.Data + cache.ValueIndex(slot + r - first, head, 0) * TCache.Size;
                int d = 0;
                for (; d <= dimension - 16; d += 16)
                    TCache.Store(TLanes.Load(source + d), target + d * TCache.Size);
                if (d < dimension)
                    TCache.StoreTail(LaneTail<TLanes>.Load(source + d, dimension - d), target + d * TCache.Size, dimension - d);
            }
        }
    }
}
