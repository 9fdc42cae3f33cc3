using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class ReferenceKernels
{
    /// <inheritdoc/>
    public WeightMatrix PrepareEmbedding(WeightMatrix table) => Prepare([table]);

    /// <inheritdoc/>
    public void Embed(Tensor ids, WeightMatrix table, Tensor y)
    {
        for (int t = 0; t < ids.Count; t++)
        {
            int id = ids.Pointer<int>()[t];
            ArgumentOutOfRangeException.ThrowIfNegative(id);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(id, table.Rows);
            for (int i = 0; i < table.Columns; i++)
                y.Pointer<double>()[(long)t * table.Columns + i] = table.Data.Pointer<double>()[(long)id * table.Columns + i];
        }
    }
}
