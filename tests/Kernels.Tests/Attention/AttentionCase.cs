using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels.Tests;

/// <summary>A sequence: its keys and values from position 0 on and how its cache is filled.</summary>
internal sealed record AttentionCase(int Heads, int KvHeads, int Dimension, int Window, bool BFloat16, float[] K, float[] V)
{
    /// <summary>A scale of 0 stands for 1/√dimension.</summary>
    public float Scale { get; init; } = 1 / MathF.Sqrt(Dimension);

    /// <summary>
    /// Fills a cache step by step and computes the rows of <paramref name="q"/>, the queries of the last positions.
    /// A step of n appends n rows and, where they are rows of q, attends with them.
    /// </summary>
    /// <param name="kernels">The back end.</param>
    /// <param name="q">[rows, heads · dimension].</param>
    /// <param name="cached">The positions before the first row of q.</param>
    /// <param name="steps">How the rows of q are divided into calls.</param>
    /// <param name="ring">The slots of a ring, or 0 for a cache that grows.</param>
    /// <param name="spoil">What unwritten slots hold.</param>
    /// <param name="least">The slots that a cache without a ring has at least.</param>
    /// <param name="onDevice">Whether the kernels read positions from a tensor.</param>
    public (double[] Output, double[] LogSumExp) Run(
        IForwardKernels kernels, float[] q, int cached, IEnumerable<int> steps, int ring = 0, double spoil = double.NaN,
        int least = 1, bool onDevice = false)
    {
        int columns = Heads * Dimension, kvColumns = KvHeads * Dimension, rows = q.Length / columns, total = cached + rows;
        DType format = kernels.ActivationType == DType.F64 && !BFloat16 ? DType.F64 : BFloat16 ? DType.BF16 : DType.F32;
        using KvLayer cache = new(KvHeads, Dimension, format, ring > 0 ? ring : least, kernels.Device.Allocate);
        Fill(cache, 0, cache.Slots, spoil);
        using Tensor k = kernels.Input(new Shape(total, kvColumns), K.AsSpan(0, total * kvColumns));
        using Tensor v = kernels.Input(new Shape(total, kvColumns), V.AsSpan(0, total * kvColumns));
        using Tensor queries = kernels.Input(new Shape(rows, columns), q);
        using Tensor output = kernels.Output(new Shape(rows, columns)), lse = kernels.Output(new Shape(rows, Heads));
        for (int position = 0; position < cached;)
        {
            // What a window needs stays in the ring: no more than one tile at once.
            int count = Math.Min(KvLayer.TileSlots, cached - position);
            Append(new SequenceRows(position, count, position));
            position += count;
        }
        int row = 0;
        foreach (int step in steps)
        {
            Append(new SequenceRows(cached + row, step, cached + row));
            using Tensor? start = Start(cached + row);
            kernels.Attention(
                queries, new SequenceRows(row, step, cached + row, start), cache, new AttentionParameters(Heads, Window, Scale), output, lse);
            row += step;
        }
        return (output.Read(), lse.Read());

        void Append(SequenceRows part)
        {
            if (ring == 0)
            {
                int before = cache.Slots;
                cache.Grow(part.Position + part.Count);
                Fill(cache, before, cache.Slots, spoil);
            }
            using Tensor? start = Start(part.Position);
            kernels.AppendKeyValues(k, v, part with { Start = start }, cache);
        }

        Tensor? Start(int position)
        {
            if (!onDevice)
                return null;
            Tensor start = Tensor.Allocate(DType.I32, new Shape(1), kernels.Device);
            start.Write<int>([position]);
            return start;
        }
    }

    /// <summary>Fills the slots from <paramref name="begin"/> up to <paramref name="end"/> with one number.</summary>
    internal static void Fill(KvLayer cache, int begin, int end, double value)
    {
        int elements = (end - begin) * cache.Heads * cache.Dimension;
        long first = (long)begin * cache.Heads * cache.Dimension;
        foreach (Tensor tensor in new[] { cache.Keys, cache.Values })
        {
            switch (tensor.Type)
            {
                case DType.F64: tensor.Write<double>(Enumerable.Repeat(value, elements).ToArray(), first); break;
                case DType.F32: tensor.Write<float>(Enumerable.Repeat((float)value, elements).ToArray(), first); break;
                default: tensor.Write<ushort>(Enumerable.Repeat(Engine.BFloat16.FromSingle((float)value).Bits, elements).ToArray(), first); break;
            }
        }
    }
}
