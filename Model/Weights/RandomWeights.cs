using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>
/// Random weights of a shape, for measuring: matrices of standard deviation 0.02 in one format (FP8 with block scales),
/// norms of one, router and embedding in F32 and BF16 as released checkpoints have them.
/// </summary>
/// <param name="format">F32, BF16, F16 or F8E4M3: the format of the projections and experts.</param>
/// <param name="seed">Everything follows from it.</param>
public sealed class RandomWeights(DType format, ulong seed) : IWeightSource
{
    private const float Deviation = 0.02f;
    private uint _stream;

    /// <inheritdoc/>
    public WeightMatrix OpenMatrix(string name, int rows, int columns)
    {
        bool wide = name.Contains("embed", StringComparison.Ordinal) || name.EndsWith("mlp.gate.weight", StringComparison.Ordinal);
        DType type = wide && format == DType.F8E4M3 ? DType.BF16 : format;
        Tensor data = Tensor.Allocate(type, new Shape(rows, columns));
        Fill(data);
        if (type != DType.F8E4M3)
            return WeightMatrix.RowMajor(name, data);
        int Blocks(int n) => (n + WeightScales.BlockSize - 1) / WeightScales.BlockSize;
        Tensor scales = Tensor.Allocate(DType.F32, new Shape(Blocks(rows), Blocks(columns)));
        scales.Span<float>().Fill(Deviation);
        return WeightMatrix.RowMajor(name, data, new WeightScales(ScaleKind.Block, scales));
    }

    /// <inheritdoc/>
    public Tensor OpenVector(string name, int length)
    {
        Tensor vector = Tensor.Allocate(DType.F32, new Shape(length));
        vector.Span<float>().Fill(1);
        return vector;
    }

    private unsafe void Fill(Tensor data)
    {
        // Speed matters for gigabytes: four random bytes of a SplitMix64 stream make a number that is near enough to normal.
        ulong state = Philox.Bits(seed, _stream++, RandomPurpose.Weights);
        float scale = Deviation / MathF.Sqrt(4 * (256f * 256 - 1) / 12);
        for (long i = 0; i < data.Count; i++)
        {
            state += 0x9E37_79B9_7F4A_7C15;
            ulong z = (state ^ (state >> 30)) * 0xBF58_476D_1CE4_E5B9;
            z = (z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB;
            z ^= z >> 31;
            int sum = (int)(z & 255) + (int)((z >> 8) & 255) + (int)((z >> 16) & 255) + (int)((z >> 24) & 255) - 510;
            float value = sum * scale;
            switch (data.Type)
            {
                case DType.F32:
                    data.Pointer<float>()[i] = value;
                    break;
                case DType.BF16:
                    data.Pointer<ushort>()[i] = BFloat16.FromSingle(value).Bits;
                    break;
                case DType.F16:
                    data.Pointer<ushort>()[i] = Float16.FromSingle(value);
                    break;
                default:
                    // Codes in units of the scale: exponents around 1, as a converted block would have them.
                    data.Pointer<byte>()[i] = Float8E4M3.FromSingle(value / Deviation).Bits;
                    break;
            }
        }
    }
}
