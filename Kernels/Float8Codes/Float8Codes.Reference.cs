using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed partial class ReferenceKernels
{
    /// <inheritdoc/>
    public float AbsoluteMaximum(Tensor x)
    {
        double largest = 0;
        foreach (double value in x.Span<double>())
            largest = Math.Max(largest, Math.Abs(value));
        return (float)largest;
    }

    /// <inheritdoc/>
    public void QuantizeFloat8(Tensor x, float scale, Tensor codes)
    {
        Float8Tensors.Check(codes, x, DType.F64);
        (int mantissa, int exponent, double largest) = codes.Type == DType.F8E4M3 ? (3, -6, 448.0) : (2, -14, 57344.0);
        Span<double> numbers = x.Span<double>();
        Span<byte> target = codes.Span<byte>();
        for (int i = 0; i < numbers.Length; i++)
            target[i] = Encode((float)((double)(float)numbers[i] * scale), mantissa, exponent, largest);
    }

    /// <inheritdoc/>
    public void DecodeFloat8(Tensor codes, Tensor values)
    {
        Float8Tensors.Check(codes, values, DType.F64);
        Span<byte> source = codes.Span<byte>();
        Span<double> target = values.Span<double>();
        for (int i = 0; i < source.Length; i++)
            target[i] = codes.Type == DType.F8E4M3 ? new Float8E4M3(source[i]).ToSingle() : new Float8E5M2(source[i]).ToSingle();
    }

    /// <inheritdoc/>
    public void Transpose(Tensor x, Tensor y)
    {
        Float8Tensors.CheckTransposed(x, y, DType.F64);
        for (int r = 0; r < x.Rows; r++)
            for (int c = 0; c < x.Columns; c++)
                y.Span<double>()[c * x.Rows + r] = x.Span<double>()[r * x.Columns + c];
    }

    /// <inheritdoc/>
    public void RoundToBFloat16(Tensor x, Tensor y)
    {
        OptimizerTensors.Check(DType.F64, x.Count, x, y);
        for (int i = 0; i < x.Count; i++)
            y.Span<double>()[i] = BFloat16.FromSingle((float)x.Span<double>()[i]).ToSingle();
    }

    // Rounds to a multiple of the distance of neighbouring values, whose exponent ends at that of the smallest normal number.
    private static byte Encode(double value, int mantissa, int smallestExponent, double largest)
    {
        int sign = double.IsNegative(value) ? 0x80 : 0;
        if (double.IsNaN(value))
            return (byte)(sign | 0x7F);
        double magnitude = Math.Min(Math.Abs(value), largest);
        int exponent = magnitude == 0 ? smallestExponent : Math.Max(Math.ILogB(magnitude), smallestExponent);
        int units = (int)Math.Round(Math.ScaleB(magnitude, mantissa - exponent), MidpointRounding.ToEven);
        // A subnormal number has exponent field 0, a normal one carries a leading 1 that adds 1 to the field.
        return (byte)(sign | (((exponent - smallestExponent) << mantissa) + units));
    }
}
