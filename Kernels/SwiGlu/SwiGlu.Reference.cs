using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class ReferenceKernels
{
    /// <inheritdoc/>
    public void SwiGlu(Tensor gateUp, Tensor y)
    {
        int width = y.Columns;
        for (int r = 0; r < y.Rows; r++)
        {
            double* gate = gateUp.Pointer<double>() + (long)r * 2 * width;
            for (int i = 0; i < width; i++)
            {
                double silu = double.IsNegativeInfinity(gate[i]) ? 0 : gate[i] / (1 + Math.Exp(-gate[i]));
                y.Pointer<double>()[(long)r * width + i] = silu * gate[width + i];
            }
        }
    }
}
