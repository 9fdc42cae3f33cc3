using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>
/// Random weights of a shape, for measuring: matrices of normally distributed numbers of standard deviation 0.02, norms of
/// one. The format is that of projections and experts; with FP8 (block scales) embedding and router are BF16, as converted
/// checkpoints have them.
/// </summary>
/// <param name="format">F32, BF16, F16 or F8E4M3.</param>
/// <param name="seed">Everything follows from it.</param>
public sealed class RandomWeights(DType format, ulong seed) : IWeightSource
{
    private const float Deviation = 0.02f;

    // A block's largest weight is about four deviations, and E4M3 ends at 448.
    private const float Fp8Scale = 4 * Deviation / Float8E4M3.MaxValue;
    private const int TableSize = 1 << 16;
    private const int ValuesPerBlock = 1 << 16;

    private readonly float[] _normal = Normal(seed);
    private uint _stream;

    /// <summary>The format of a matrix where the others have <paramref name="format"/>: embedding and routers are not FP8.</summary>
    /// <param name="name">The matrix.</param>
    /// <param name="format">The format of the model.</param>
    public static DType FormatOf(string name, DType format)
    {
        bool isWide = name.Contains("embed", StringComparison.Ordinal) || ModelConfiguration.IsRouter(name);
        return isWide && format == DType.F8E4M3 ? DType.BF16 : format;
    }

    /// <inheritdoc/>
    public WeightMatrix OpenMatrix(string name, int rows, int columns)
    {
        DType type = FormatOf(name, format);
        Tensor data = Tensor.Allocate(type, new Shape(rows, columns));
        switch (type)
        {
            case DType.F32:
                Fill(data, Array.ConvertAll(_normal, value => value));
                break;
            case DType.BF16:
                Fill(data, Array.ConvertAll(_normal, value => BFloat16.FromSingle(value).Bits));
                break;
            case DType.F16:
                Fill(data, Array.ConvertAll(_normal, Float16.FromSingle));
                break;
            default:
                Fill(data, Array.ConvertAll(_normal, value => Float8E4M3.FromSingle(value / Fp8Scale).Bits));
                break;
        }
        if (type != DType.F8E4M3)
            return WeightMatrix.RowMajor(name, data);
        static int Blocks(int n) => (n + WeightScales.BlockSize - 1) / WeightScales.BlockSize;
        Tensor scales = Tensor.Allocate(DType.F32, new Shape(Blocks(rows), Blocks(columns)));
        scales.Span<float>().Fill(Fp8Scale);
        return WeightMatrix.RowMajor(name, data, new WeightScales(ScaleKind.Block, scales));
    }

    /// <inheritdoc/>
    public Tensor OpenVector(string name, int length)
    {
        Tensor vector = Tensor.Allocate(DType.F32, new Shape(length));
        vector.Span<float>().Fill(1);
        return vector;
    }

    private static float[] Normal(ulong seed)
    {
        float[] table = new float[TableSize];
        for (uint i = 0; i < table.Length; i++)
            table[i] = Deviation * (float)Philox.Normal(seed, i, RandomPurpose.Weights);
        return table;
    }

    /// <summary>Sixteen random bits choose each value; blocks have streams of their own, so threads do not matter.</summary>
    private unsafe void Fill<T>(Tensor data, T[] table) where T : unmanaged
    {
        uint stream = _stream++;
        long count = data.Count;
        T* target = data.Pointer<T>();
        Parallel.For(0, (count + ValuesPerBlock - 1) / ValuesPerBlock, block =>
        {
            ulong state = Philox.Bits(seed, (ulong)block << 32 | stream, RandomPurpose.Weights + 1), bits = 0;
            long end = Math.Min(count, (block + 1) * ValuesPerBlock);
            for (long i = block * ValuesPerBlock; i < end; i++, bits >>= 16)
            {
                if (i % 4 == 0)
                {
                    // SplitMix64.
                    state += 0x9E37_79B9_7F4A_7C15;
                    bits = (state ^ (state >> 30)) * 0xBF58_476D_1CE4_E5B9;
                    bits = (bits ^ (bits >> 27)) * 0x94D0_49BB_1331_11EB;
                    bits ^= bits >> 31;
                }
                target[i] = table[(ushort)bits];
            }
        });
    }
}
