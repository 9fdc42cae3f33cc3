using System.IO.Hashing;
using System.Text;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>
/// The weights of a new model: matrices are normally distributed with deviation <c>initializer_range</c>, norms are one. A weight depends
/// on the seed, its tensor's name and its place alone: a trunk begins the same with an MTP head and without.
/// </summary>
/// <param name="deviation">The deviation.</param>
/// <param name="seed">Everything follows from it.</param>
public sealed class InitialWeights(double deviation, ulong seed) : IWeightSource
{
    private const int ValuesPerBlock = 1 << 14;

    /// <inheritdoc/>
    public unsafe WeightMatrix OpenMatrix(string name, int rows, int columns)
    {
        Tensor data = Tensor.Allocate(DType.F32, new Shape(rows, columns));
        ulong key = Philox.Bits(seed, XxHash3.HashToUInt64(Encoding.UTF8.GetBytes(name)), DataPurpose.FirstWeights);
        float* values = data.Pointer<float>();
        long count = data.Count;
        Parallel.For(0, (count + ValuesPerBlock - 1) / ValuesPerBlock, block =>
        {
            long end = Math.Min(count, (block + 1) * ValuesPerBlock);
            for (long i = block * ValuesPerBlock; i < end; i++)
                values[i] = (float)(deviation * Philox.Normal(key, (ulong)i, DataPurpose.FirstWeights));
        });
        return WeightMatrix.RowMajor(name, data);
    }

    /// <inheritdoc/>
    public Tensor OpenVector(string name, int length)
    {
        Tensor vector = Tensor.Allocate(DType.F32, new Shape(length));
        vector.Span<float>().Fill(1);
        return vector;
    }
}

/// <summary>A checkpoint's weights; those of an MTP head that it lacks are new.</summary>
internal sealed class CheckpointWithNewHead(Checkpoint checkpoint, InitialWeights head) : IWeightSource
{
    public WeightMatrix OpenMatrix(string name, int rows, int columns) => SourceOf(name).OpenMatrix(name, rows, columns);

    public Tensor OpenVector(string name, int length) => SourceOf(name).OpenVector(name, length);

    private IWeightSource SourceOf(string name) => name.StartsWith("mtp.", StringComparison.Ordinal) ? head : checkpoint;
}
