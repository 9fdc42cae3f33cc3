using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class ReferenceKernels
{
    /// <inheritdoc/>
    public void Dispatch(Tensor experts, Tensor offsets, Tensor order, Tensor place)
    {
        int row = 0;
        for (int e = 0; e < offsets.Count - 1; e++)
        {
            offsets.Pointer<int>()[e] = row;
            for (int i = 0; i < experts.Count; i++)
            {
                if (experts.Pointer<int>()[i] != e)
                    continue;
                order.Pointer<int>()[row] = i;
                place.Pointer<int>()[i] = row++;
            }
        }
        offsets.Pointer<int>()[offsets.Count - 1] = row;
    }

    /// <inheritdoc/>
    public void Combine(Tensor rows, Tensor place, Tensor weights, Tensor y)
    {
        int slots = weights.Columns, width = rows.Columns;
        for (int t = 0; t < y.Rows; t++)
        {
            for (int i = 0; i < width; i++)
            {
                double sum = 0;
                for (int slot = 0; slot < slots; slot++)
                {
                    int pair = t * slots + slot;
                    sum += weights.Pointer<double>()[pair] * rows.Pointer<double>()[(long)place.Pointer<int>()[pair] * width + i];
                }
                y.Pointer<double>()[(long)t * width + i] = sum;
            }
        }
    }
}
