using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class ReferenceKernels
{
    /// <inheritdoc/>
    public void RopeBackward(Tensor dy, Tensor table, Tensor dx)
    {
        int dimension = table.Columns, half = dimension / 2;
        for (int t = 0; t < dy.Rows; t++)
        {
            double* cos = table.Pointer<double>() + (long)t * dimension;
            double* sin = cos + half;
            for (int head = 0; head < dy.Columns; head += dimension)
            {
                double* source = dy.Pointer<double>() + (long)t * dy.Columns + head;
                double* target = dx.Pointer<double>() + (long)t * dy.Columns + head;
                for (int i = 0; i < half; i++)
                {
                    target[i] = source[i] * cos[i] + source[half + i] * sin[i];
                    target[half + i] = source[half + i] * cos[i] - source[i] * sin[i];
                }
            }
        }
    }
}
