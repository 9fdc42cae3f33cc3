using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels.Tests;

/// <summary>Random weights in every format, and what they are in float32.</summary>
internal static unsafe partial class WeightFactory
{
    /// <summary>A row-major matrix; every finite code of the format can occur.</summary>
    public static WeightMatrix Create(Random random, DType format, ScaleKind? scale, int rows, int columns, float scaleSize = 0.02f, string name = "w")
    {
        Tensor data = Tensor.Allocate(format, new Shape(rows, columns));
        for (long i = 0; i < data.Count; i++)
        {
            float value = (float)(random.NextDouble() - 0.5);
            switch (format)
            {
                case DType.F32:
                    data.Pointer<float>()[i] = value;
                    break;
                case DType.BF16:
                    data.Pointer<ushort>()[i] = BFloat16.FromSingle(value).Bits;
                    break;
                case DType.F16:
                    data.Pointer<ushort>()[i] = random.Next(8) == 0 ? (ushort)(random.Next(0x400) | random.Next(2) << 15) : Float16.FromSingle(value);
                    break;
                default:
                    int code = random.Next(254);
                    data.Pointer<byte>()[i] = (byte)(code < 127 ? code : code + 1);
                    break;
            }
        }
        return WeightMatrix.RowMajor(name, data, Scales(random, scale, rows, columns, scaleSize));
    }

    /// <summary>Random activations.</summary>
    public static Tensor Activations(Random random, int rows, int columns)
    {
        Tensor x = Tensor.Allocate(DType.F32, new Shape(rows, columns));
        for (long i = 0; i < x.Count; i++)
            x.Pointer<float>()[i] = (float)(random.NextDouble() * 2 - 1);
        return x;
    }

    /// <summary>The same numbers in float64.</summary>
    public static Tensor Widen(Tensor x)
    {
        Tensor wide = Tensor.Allocate(DType.F64, x.Shape);
        for (long i = 0; i < x.Count; i++)
            wide.Pointer<double>()[i] = x.Pointer<float>()[i];
        return wide;
    }

    /// <summary>The definition of a product: one chain of fused multiply-adds for each element.</summary>
    public static float Chain(float* x, Func<int, float> weight, int columns)
    {
        float sum = 0;
        for (int k = 0; k < columns; k++)
            sum = MathF.FusedMultiplyAdd(x[k], weight(k), sum);
        return sum;
    }

    private static WeightScales? Scales(Random random, ScaleKind? kind, int rows, int columns, float size)
    {
        if (kind is not { } given)
            return null;
        const int Block = WeightScales.BlockSize;
        Shape shape = given switch
        {
            ScaleKind.Tensor => new Shape(1),
            ScaleKind.Row => new Shape(rows, 1),
            _ => new Shape((rows + Block - 1) / Block, (columns + Block - 1) / Block),
        };
        Tensor values = Tensor.Allocate(DType.F32, shape);
        for (long i = 0; i < values.Count; i++)
            values.Pointer<float>()[i] = size * (float)(0.5 + random.NextDouble());
        return new WeightScales(given, values);
    }
}
