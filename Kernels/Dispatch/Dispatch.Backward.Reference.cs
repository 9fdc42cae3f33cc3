using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class ReferenceKernels
{
    /// <inheritdoc/>
    public void CombineBackward(Tensor rows, Tensor place, Tensor weights, Tensor dy, Tensor dRows, Tensor dWeights)
    {
        int slots = weights.Columns, width = rows.Columns;
        for (int pair = 0; pair < weights.Count; pair++)
        {
            long row = (long)place.Pointer<int>()[pair] * width;
            double* gradient = dy.Pointer<double>() + (long)(pair / slots) * width;
            double sum = 0;
            for (int i = 0; i < width; i++)
            {
                sum += gradient[i] * rows.Pointer<double>()[row + i];
                dRows.Pointer<double>()[row + i] = weights.Pointer<double>()[pair] * gradient[i];
            }
            dWeights.Pointer<double>()[pair] = sum;
        }
    }

    /// <inheritdoc/>
    public void GatherBackward(Tensor dRows, Tensor place, int slots, Tensor dx)
    {
        int width = dx.Columns;
        for (int t = 0; t < dx.Rows; t++)
        {
            for (int i = 0; i < width; i++)
            {
                double sum = 0;
                for (int slot = 0; slot < slots; slot++)
                    sum += dRows.Pointer<double>()[(long)place.Pointer<int>()[t * slots + slot] * width + i];
                dx.Pointer<double>()[(long)t * width + i] = sum;
            }
        }
    }
}
