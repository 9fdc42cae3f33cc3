using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training.Tests;

/// <summary>
/// A trunk as a checkpoint of some format has it: FP8 for projections and experts with scales of blocks, BF16 for what is beside
/// them. The MTP head and norms are float32.
/// </summary>
/// <param name="format">F32, BF16 or F8E4M3.</param>
/// <param name="values">The values before they are rounded; null for matrices without memory.</param>
internal sealed class StoredWeights(DType format, IWeightSource? values = null) : IWeightSource
{
    /// <summary>The format of a matrix in a checkpoint of some format.</summary>
    public static DType FormatOf(string name, DType format) => ModelConfiguration.IsMtp(name) ? DType.F32
        : format == DType.F8E4M3 && !name.EndsWith("_proj.weight", StringComparison.Ordinal) ? DType.BF16 : format;

    public WeightMatrix OpenMatrix(string name, int rows, int columns)
    {
        Shape shape = new(rows, columns), blocks = new((rows + 127) / 128, (columns + 127) / 128);
        DType stored = FormatOf(name, format);
        WeightScales? scales = null;
        if (stored == DType.F8E4M3)
        {
            scales = new WeightScales(ScaleKind.Block, Tensor.Allocate(DType.F32, blocks));
            for (int i = 0; i < scales.Values.Count; i++)
                scales.Values.Span<float>()[i] = 0.002f * (1 + i % 3);
        }
        if (values is null)
            return WeightMatrix.RowMajor(name, Tensor.WithoutMemory(stored, shape), scales);
        using WeightMatrix exact = values.OpenMatrix(name, rows, columns);
        Tensor data = Tensor.Allocate(stored, shape);
        for (int i = 0; i < data.Count; i++)
        {
            float value = exact.Data.Span<float>()[i];
            if (stored == DType.F32)
                data.Span<float>()[i] = value;
            else if (stored == DType.BF16)
                data.Span<ushort>()[i] = BFloat16.FromSingle(value).Bits;
            else
                data.Span<byte>()[i] = Float8E4M3.FromSingle(value / scales!.At(i / columns, i % columns)).Bits;
        }
        return WeightMatrix.RowMajor(name, data, scales);
    }

    public Tensor OpenVector(string name, int length) => values!.OpenVector(name, length);
}
