using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class ReferenceKernels
{
    /// <inheritdoc/>
    public void EmbedBackward(Tensor ids, Tensor dy, Tensor dTable)
    {
        CheckIds(ids, dTable.Rows);
        for (int t = 0; t < ids.Count; t++)
            for (int i = 0; i < dy.Columns; i++)
                dTable.Pointer<double>()[(long)ids.Pointer<int>()[t] * dy.Columns + i] += dy.Pointer<double>()[(long)t * dy.Columns + i];
    }

    private static void CheckIds(Tensor ids, int rows)
    {
        foreach (int id in ids.Span<int>())
        {
            ArgumentOutOfRangeException.ThrowIfNegative(id, nameof(ids));
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(id, rows, nameof(ids));
        }
    }
}
