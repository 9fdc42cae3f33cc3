using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes>
{
    /// <inheritdoc cref="IForwardKernels.PrepareEmbedding"/>
    public WeightMatrix PrepareEmbedding(WeightMatrix table)
    {
        if (table.Layout != WeightLayout.RowMajor || table.Format == DType.F64)
            throw new InvalidInputException($"{table.Name} is no row-major table of F32, BF16, F16 or FP8 numbers.");
        WeightScales? scales = table.Scales is null ? null : table.Scales with { Values = Copy(table.Scales.Values) };
        return new WeightMatrix(table.Name, table.Rows, table.Columns, table.Format, WeightLayout.RowMajor, Copy(table.Data), scales);
    }

    /// <inheritdoc cref="IForwardKernels.Embed"/>
    public void Embed(Tensor ids, WeightMatrix table, Tensor y)
    {
        if (y.Type != DType.F32 || y.Columns != table.Columns || y.Rows != ids.Count)
            throw new ArgumentException($"The {ids.Count} rows of {table.Name} [{table.Rows}, {table.Columns}] cannot be written to y {y}.");
        CheckIds(ids, table.Rows);
        EmbedJob job = new(ids, table, y);
        // A row takes a few microseconds: claim several where there are many.
        _pool.For(ref job, (int)ids.Count, Math.Max(1, (int)Math.Min(16, ids.Count / _pool.Count)));
    }

    private static Tensor Copy(Tensor source)
    {
        Tensor copy = Tensor.Allocate(source.Type, source.Shape);
        Buffer.MemoryCopy(source.Data, copy.Data, copy.CapacityBytes, source.ByteLength);
        return copy;
    }

    private readonly struct EmbedJob(Tensor ids, WeightMatrix table, Tensor y) : IParallelJob
    {
        public void Run(int begin, int end, int worker)
        {
            EmbeddingRow reader = new(table);
            for (int t = begin; t < end; t++)
                reader.Read<TLanes>(ids.Pointer<int>()[t], y.Pointer<float>() + (long)t * table.Columns);
        }
    }
}
