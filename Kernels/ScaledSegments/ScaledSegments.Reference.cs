using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class ReferenceKernels
{
    /// <inheritdoc/>
    public void RoundToFloat8(Tensor x, Tensor? order, int slots, Tensor offsets, DType format, Tensor y, Tensor inverses)
    {
        SegmentTensors.CheckRounding(x, order, offsets, y, DType.F64, inverses);
        int* offset = offsets.Pointer<int>();
        for (int s = 0; s < inverses.Count; s++)
        {
            double largest = 0;
            for (int r = offset[s]; r < offset[s + 1]; r++)
                foreach (double value in Row(r))
                    largest = Math.Max(largest, Math.Abs(value));
            Float8Scale scale = Float8Scale.For((float)largest, format);
            inverses.Span<float>()[s] = scale.Inverse;
            for (int r = offset[s]; r < offset[s + 1]; r++)
            {
                Span<double> source = Row(r), target = y.Span<double>().Slice(r * y.Columns, y.Columns);
                for (int k = 0; k < source.Length; k++)
                {
                    float scaled = (float)((double)(float)source[k] * scale.Value);
                    target[k] = format == DType.F8E4M3 ? Float8E4M3.FromSingle(scaled).ToSingle() : Float8E5M2.FromSingle(scaled).ToSingle();
                }
            }
        }

        Span<double> Row(int r) =>
            x.Span<double>().Slice((order is null ? r : order.Span<int>()[r] / slots) * x.Columns, x.Columns);
    }

    /// <inheritdoc/>
    public void ScaleSegments(Tensor y, Tensor offsets, Tensor a, Tensor b)
    {
        SegmentTensors.Check(y, DType.F64, offsets, a, b);
        int* offset = offsets.Pointer<int>();
        for (int s = 0; s < a.Count; s++)
            foreach (ref double value in y.Span<double>()[(offset[s] * y.Columns)..(offset[s + 1] * y.Columns)])
                value *= (double)a.Span<float>()[s] * b.Span<float>()[s];
    }

    /// <inheritdoc/>
    public void AddScaledSegments(Tensor x, Tensor a, Tensor b, int first, ReadOnlySpan<Tensor> sums)
    {
        SegmentTensors.CheckSums(x, DType.F64, a, b, first, sums);
        int index = 0;
        for (int i = 0; i < sums.Length; i++)
            foreach (ref double sum in sums[i].Span<double>())
                sum += (double)a.Span<float>()[first + i] * b.Span<float>()[first + i] * x.Span<double>()[index++];
    }
}
