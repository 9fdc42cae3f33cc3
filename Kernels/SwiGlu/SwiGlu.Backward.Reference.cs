using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class ReferenceKernels
{
    /// <inheritdoc/>
    public void SwiGluBackward(Tensor gateUp, Tensor dy, Tensor dGateUp)
    {
        int width = dy.Columns;
        for (int r = 0; r < dy.Rows; r++)
        {
            double* gate = gateUp.Pointer<double>() + (long)r * 2 * width;
            double* target = dGateUp.Pointer<double>() + (long)r * 2 * width;
            for (int i = 0; i < width; i++)
            {
                double z = gate[i], gradient = dy.Pointer<double>()[(long)r * width + i];
                double sigmoid = 1 / (1 + Math.Exp(-z));
                double silu = double.IsNegativeInfinity(z) ? 0 : z * sigmoid;
                double derivative = double.IsInfinity(z) ? sigmoid : sigmoid + silu / (1 + Math.Exp(z));
                target[i] = gradient * gate[width + i] * derivative;
                target[width + i] = gradient * silu;
            }
        }
    }
}
