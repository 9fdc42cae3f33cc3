using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class ReferenceKernels
{
    /// <inheritdoc/>
    public void RoundRowsToFloat8(Tensor x, Tensor y, Tensor inverses)
    {
        RowScaleTensors.CheckRounding(x, y, inverses, DType.F64);
        for (int t = 0; t < x.Rows; t++)
        {
            Span<double> source = x.Span<double>().Slice(t * x.Columns, x.Columns), target = y.Span<double>().Slice(t * x.Columns, x.Columns);
            double largest = 0;
            foreach (double value in source)
                largest = Math.Max(largest, Math.Abs(value));
            Float8Scale scale = Float8Scale.For((float)largest, DType.F8E4M3);
            inverses.Span<float>()[t] = scale.Inverse;
            for (int k = 0; k < source.Length; k++)
                target[k] = Float8E4M3.FromSingle((float)((double)(float)source[k] * scale.Value)).ToSingle();
        }
    }

    /// <inheritdoc/>
    public void MultiplyRows(Tensor y, Tensor? order, int slots, Tensor factors)
    {
        RowScaleTensors.CheckFactors(y, order, factors, DType.F64);
        for (int r = 0; r < y.Rows; r++)
        {
            int source = order is null ? r : order.Pointer<int>()[r] / slots;
            foreach (ref double value in y.Span<double>().Slice(r * y.Columns, y.Columns))
                value *= factors.Pointer<float>()[source];
        }
    }
}
