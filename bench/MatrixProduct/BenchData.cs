using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Bench;

/// <summary>Random operands of products.</summary>
internal static unsafe class BenchData
{
    /// <summary>Activations in [−1, 1).</summary>
    public static Tensor Activations(int rows, int columns)
    {
        Random random = new(1);
        Tensor x = Tensor.Allocate(DType.F32, new Shape(rows, columns));
        foreach (ref float value in x.Span<float>())
            value = random.NextSingle() * 2 - 1;
        return x;
    }

    /// <summary>Row-major weights; FP8 has a scale for each block of 128 × 128.</summary>
    public static WeightMatrix Weights(DType format, int rows, int columns)
    {
        Random random = new(2);
        Tensor data = Tensor.Allocate(format, new Shape(rows, columns));
        random.NextBytes(new Span<byte>(data.Data, checked((int)data.ByteLength)));
        byte[] codes = NormalCodes(random);
        for (long i = 0; i < data.Count; i++)
        {
            // Random bits, but moderate exponents.
            switch (format)
            {
                case DType.F32:
                    data.Pointer<uint>()[i] = data.Pointer<uint>()[i] & 0x807F_FFFF | 0x3D00_0000;
                    break;
                case DType.BF16:
                    data.Pointer<ushort>()[i] = (ushort)(data.Pointer<ushort>()[i] & 0x807F | 0x3D00);
                    break;
                default:
                    data.Pointer<byte>()[i] = codes[data.Pointer<byte>()[i] | (int)(i * 40503 >> 4 & 0xFF00)];
                    break;
            }
        }
        return WeightMatrix.RowMajor("random", data, format == DType.F8E4M3 ? Scales(rows, columns) : null);
    }

    // E4M3 codes as quantising normally distributed weights by the maximum of a block gives them: subnormals are rare.
    private static byte[] NormalCodes(Random random)
    {
        byte[] codes = new byte[1 << 16];
        foreach (ref byte code in codes.AsSpan())
        {
            double normal = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
            code = Float8E4M3.FromSingle((float)(normal * 100)).Bits;
        }
        return codes;
    }

    private static WeightScales Scales(int rows, int columns)
    {
        const int Block = WeightScales.BlockSize;
        Tensor values = Tensor.Allocate(DType.F32, new Shape((rows + Block - 1) / Block, (columns + Block - 1) / Block));
        values.Span<float>().Fill(0.01f);
        return new WeightScales(ScaleKind.Block, values);
    }
}
