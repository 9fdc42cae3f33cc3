using System.Text;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>
/// The weights that a model begins training with: matrices normal(0, σ) with σ = <c>initializer_range</c>, the projections of the
/// trunk that write to its residual stream (<c>o_proj</c>, <c>down_proj</c>) σ/√(2·layers), so that the stream's size does not grow
/// with depth; norms 1. A weight depends on the seed, the tensor's name and its place alone.
/// </summary>
/// <param name="configuration">The shape.</param>
/// <param name="seed">Everything follows from it.</param>
public sealed class InitialWeights(ModelConfiguration configuration, ulong seed) : IWeightSource
{
    private const uint Purpose = 0x494E_4954;
    private const int ChunkSize = 1 << 14;

    /// <inheritdoc/>
    public WeightMatrix OpenMatrix(string name, int rows, int columns)
    {
        Tensor data = Tensor.Allocate(DType.F32, new Shape(rows, columns));
        ulong key = seed ^ Hash(name);
        double deviation = Deviation(name);
        long count = data.Count;
        Parallel.For(0, (count + ChunkSize - 1) / ChunkSize, chunk => Fill(data, key, deviation, chunk * ChunkSize, Math.Min(count, (chunk + 1) * ChunkSize)));
        return WeightMatrix.RowMajor(name, data);
    }

    /// <inheritdoc/>
    public Tensor OpenVector(string name, int length)
    {
        Tensor vector = Tensor.Allocate(DType.F32, new Shape(length));
        vector.Span<float>().Fill(1);
        return vector;
    }

    private double Deviation(string name)
    {
        bool toResidual = name.StartsWith("model.", StringComparison.Ordinal)
            && (name.EndsWith(".o_proj.weight", StringComparison.Ordinal) || name.EndsWith(".down_proj.weight", StringComparison.Ordinal));
        return configuration.InitializerRange / (toResidual ? Math.Sqrt(2.0 * configuration.LayerCount) : 1);
    }

    private static unsafe void Fill(Tensor data, ulong key, double deviation, long begin, long end)
    {
        for (long i = begin; i < end; i++)
            data.Pointer<float>()[i] = (float)(deviation * Philox.Normal(key, (ulong)i, Purpose));
    }

    // FNV-1a, 64 bits.
    private static ulong Hash(string name)
    {
        ulong hash = 0xCBF2_9CE4_8422_2325;
        foreach (byte b in Encoding.UTF8.GetBytes(name))
            hash = unchecked((hash ^ b) * 0x100_0000_01B3);
        return hash;
    }
}
