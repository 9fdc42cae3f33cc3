using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class ReferenceKernels
{
    /// <inheritdoc/>
    public WeightMatrix Prepare(ReadOnlySpan<WeightMatrix> parts)
    {
        int rows = 0;
        foreach (WeightMatrix part in parts)
            rows = checked(rows + part.Rows);
        Tensor data = Tensor.Allocate(DType.F64, new Shape(rows, parts[0].Columns));
        double* next = data.Pointer<double>();
        foreach (WeightMatrix part in parts)
            for (int r = 0; r < part.Rows; r++)
                for (int c = 0; c < part.Columns; c++)
                    *next++ = part.Format == DType.F64 ? part.Data.Pointer<double>()[(long)r * part.Columns + c] : part.At(r, c);
        return WeightMatrix.RowMajor(parts[0].Name, data);
    }

    /// <inheritdoc/>
    public void MatMul(Tensor x, WeightMatrix w, Tensor y)
    {
        for (int t = 0; t < x.Rows; t++)
            Row(x.Pointer<double>() + (long)t * x.Columns, w, y.Pointer<double>() + (long)t * w.Rows);
    }

    /// <inheritdoc/>
    public void GroupedMatMul(Tensor x, Tensor? order, int slots, Tensor offsets, WeightMatrix[] experts, Tensor y)
    {
        int* offset = offsets.Pointer<int>();
        for (int e = 0; e < experts.Length; e++)
        {
            for (int r = offset[e]; r < offset[e + 1]; r++)
            {
                int source = order is null ? r : order.Pointer<int>()[r] / slots;
                Row(x.Pointer<double>() + (long)source * x.Columns, experts[e], y.Pointer<double>() + (long)r * y.Columns);
            }
        }
    }

    private static void Row(double* x, WeightMatrix w, double* y)
    {
        for (int n = 0; n < w.Rows; n++)
        {
            double* row = w.Data.Pointer<double>() + (long)n * w.Columns;
            double sum = 0;
            for (int k = 0; k < w.Columns; k++)
                sum += x[k] * row[k];
            y[n] = sum;
        }
    }
}
