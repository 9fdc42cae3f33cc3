using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class ReferenceKernels
{
    /// <inheritdoc/>
    public void RopeTable(Tensor positions, RopeParameters parameters, Tensor table)
    {
        int half = parameters.Dimension / 2;
        for (int t = 0; t < positions.Count; t++)
        {
            double* row = table.Pointer<double>() + (long)t * parameters.Dimension;
            for (int i = 0; i < half; i++)
            {
                double angle = positions.Pointer<int>()[t] * parameters.InverseFrequencies[i];
                row[i] = Math.Cos(angle) * parameters.AttentionFactor;
                row[half + i] = Math.Sin(angle) * parameters.AttentionFactor;
            }
        }
    }

    /// <inheritdoc/>
    public void Rope(Tensor x, Tensor table, Tensor y)
    {
        int dimension = table.Columns, half = dimension / 2;
        for (int t = 0; t < x.Rows; t++)
        {
            double* cos = table.Pointer<double>() + (long)t * dimension;
            double* sin = cos + half;
            for (int head = 0; head < x.Columns; head += dimension)
            {
                double* source = x.Pointer<double>() + (long)t * x.Columns + head;
                double* target = y.Pointer<double>() + (long)t * x.Columns + head;
                for (int i = 0; i < half; i++)
                {
                    target[i] = source[i] * cos[i] - source[half + i] * sin[i];
                    target[half + i] = source[half + i] * cos[i] + source[i] * sin[i];
                }
            }
        }
    }
}
