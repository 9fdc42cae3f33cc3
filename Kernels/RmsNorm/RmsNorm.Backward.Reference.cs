using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class ReferenceKernels
{
    /// <inheritdoc/>
    public void RmsNormBackward(Tensor x, Tensor weight, float epsilon, Tensor dy, Tensor dx, Tensor dw)
    {
        int n = (int)weight.Count;
        float* w = weight.Pointer<float>();
        for (long start = 0; start < x.Count; start += n)
        {
            double* row = x.Pointer<double>() + start;
            double* gradient = dy.Pointer<double>() + start;
            double squares = 0;
            for (int i = 0; i < n; i++)
                squares += row[i] * row[i];
            double inverse = 1 / Math.Sqrt(squares / n + epsilon), mean = 0;
            for (int i = 0; i < n; i++)
                mean += w[i] * gradient[i] * row[i] * inverse / n;
            for (int i = 0; i < n; i++)
            {
                double normalized = row[i] * inverse;
                dx.Pointer<double>()[start + i] = inverse * (w[i] * gradient[i] - normalized * mean);
                dw.Pointer<double>()[i] += gradient[i] * normalized;
            }
        }
    }
}
