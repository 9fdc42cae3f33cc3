using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class ReferenceKernels
{
    /// <inheritdoc/>
    public void RmsNorm(Tensor x, Tensor weight, float epsilon, Tensor y)
    {
        int n = (int)weight.Count;
        for (long start = 0; start < x.Count; start += n)
        {
            double* row = x.Pointer<double>() + start;
            double squares = 0;
            for (int i = 0; i < n; i++)
                squares += row[i] * row[i];
            double inverse = 1 / Math.Sqrt(squares / n + epsilon);
            for (int i = 0; i < n; i++)
                y.Pointer<double>()[start + i] = row[i] * inverse * weight.Pointer<float>()[i];
        }
    }
}
