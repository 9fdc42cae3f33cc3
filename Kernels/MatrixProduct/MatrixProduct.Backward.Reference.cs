using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class ReferenceKernels
{
    /// <inheritdoc/>
    public void MatMulBackwardInput(Tensor dy, WeightMatrix w, Tensor dx)
    {
        for (int t = 0; t < dy.Rows; t++)
            RowBackward(dy.Pointer<double>() + (long)t * w.Rows, w, dx.Pointer<double>() + (long)t * w.Columns);
    }

    /// <inheritdoc/>
    public void MatMulBackwardWeight(Tensor dy, Tensor x, Tensor dw)
    {
        for (int t = 0; t < dy.Rows; t++)
            AddOuterProduct(dy.Pointer<double>() + (long)t * dy.Columns, x.Pointer<double>() + (long)t * x.Columns, dw);
    }

    /// <inheritdoc/>
    public void GroupedMatMulBackwardInput(Tensor dy, Tensor offsets, WeightMatrix[] experts, Tensor dx)
    {
        int* offset = offsets.Pointer<int>();
        for (int e = 0; e < experts.Length; e++)
            for (int r = offset[e]; r < offset[e + 1]; r++)
                RowBackward(dy.Pointer<double>() + (long)r * dy.Columns, experts[e], dx.Pointer<double>() + (long)r * dx.Columns);
    }

    /// <inheritdoc/>
    public void GroupedMatMulBackwardWeight(Tensor dy, Tensor x, Tensor? order, int slots, Tensor offsets, Tensor[] dw)
    {
        int* offset = offsets.Pointer<int>();
        for (int e = 0; e < dw.Length; e++)
        {
            for (int r = offset[e]; r < offset[e + 1]; r++)
            {
                int source = order is null ? r : order.Pointer<int>()[r] / slots;
                AddOuterProduct(dy.Pointer<double>() + (long)r * dy.Columns, x.Pointer<double>() + (long)source * x.Columns, dw[e]);
            }
        }
    }

    private static void RowBackward(double* dy, WeightMatrix w, double* dx)
    {
        for (int k = 0; k < w.Columns; k++)
        {
            double sum = 0;
            for (int n = 0; n < w.Rows; n++)
                sum += dy[n] * w.Data.Pointer<double>()[(long)n * w.Columns + k];
            dx[k] = sum;
        }
    }

    private static void AddOuterProduct(double* dy, double* x, Tensor dw)
    {
        for (int n = 0; n < dw.Rows; n++)
            for (int k = 0; k < dw.Columns; k++)
                dw.Pointer<double>()[(long)n * dw.Columns + k] += dy[n] * x[k];
    }
}
