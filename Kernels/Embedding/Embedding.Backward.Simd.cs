using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes>
{
    /// <inheritdoc cref="ITrainingKernels.EmbedBackward"/>
    public void EmbedBackward(Tensor ids, Tensor dy, Tensor dTable)
    {
        if (dy.Columns != dTable.Columns || dy.Rows != ids.Count)
            throw new ArgumentException($"The gradients dy {dy} of {ids.Count} ids cannot be added to the table {dTable}.");
        CheckIds(ids, dTable.Rows);
        EmbedBackwardJob job = new(ids.Pointer<int>(), (int)ids.Count, dy.Pointer<float>(), dTable.Pointer<float>(), dTable.Columns);
        _pool.For(ref job, (dTable.Columns + EmbedBackwardJob.Strip - 1) / EmbedBackwardJob.Strip);
    }

    private static void CheckIds(Tensor ids, int rows)
    {
        foreach (int id in ids.Span<int>())
        {
            ArgumentOutOfRangeException.ThrowIfNegative(id, nameof(ids));
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(id, rows, nameof(ids));
        }
    }

    // Item: a strip of columns of all tokens, so that no two workers add to one element and the order is that of the tokens.
    private readonly struct EmbedBackwardJob(int* ids, int count, float* dy, float* dTable, int width) : IParallelJob
    {
        public const int Strip = 256;

        public void Run(int begin, int end, int worker)
        {
            int first = begin * Strip, stop = Math.Min(end * Strip, width);
            for (int t = 0; t < count; t++)
                AddTo(dy + (long)t * width + first, dTable + (long)ids[t] * width + first, stop - first);
        }
    }

    private static void AddTo(float* source, float* target, long count)
    {
        long i = 0;
        for (; i <= count - 16; i += 16)
            TLanes.Store(TLanes.Load(target + i) + TLanes.Load(source + i), target + i);
        for (; i < count; i++)
            target[i] += source[i];
    }
}
