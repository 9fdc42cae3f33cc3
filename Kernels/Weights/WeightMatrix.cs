using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>How a <see cref="WeightMatrix"/> lies in memory.</summary>
public enum WeightLayout
{
    /// <summary>[out, in] as in a checkpoint.</summary>
    RowMajor,

    /// <summary>Panels of output rows as <see cref="SimdKernels{TLanes}"/> reads them.</summary>
    Panels,

    /// <summary>[out, in] on a device, rows filled with zeros up to a multiple of 16 weights.</summary>
    PaddedRows,
}

/// <summary>
/// A matrix of weights W [out, in] in the format in which it is stored: F64, F32, BF16, F16 or FP8 with scales. A back
/// end's <see cref="IForwardKernels.Prepare"/> turns one that was read into one that it multiplies by.
/// </summary>
public sealed class WeightMatrix : IDisposable
{
    /// <summary>Describes a matrix; it owns <paramref name="data"/> and <paramref name="scales"/>.</summary>
    public WeightMatrix(string name, int rows, int columns, DType format, WeightLayout layout, Tensor data, WeightScales? scales = null)
    {
        (Name, Rows, Columns, Format, Layout, Data, Scales) = (name, rows, columns, format, layout, data, scales);
    }

    /// <summary>The checkpoint's name for it, for messages.</summary>
    public string Name { get; }

    /// <summary>The number of outputs.</summary>
    public int Rows { get; }

    /// <summary>The number of inputs.</summary>
    public int Columns { get; }

    /// <summary>The format of a weight.</summary>
    public DType Format { get; }

    /// <summary>How the weights lie in <see cref="Data"/>.</summary>
    public WeightLayout Layout { get; }

    /// <summary>The weights.</summary>
    public Tensor Data { get; }

    /// <summary>The factors of FP8 weights, in the layout of the checkpoint or of the panels; else null.</summary>
    public WeightScales? Scales { get; }

    /// <summary>The bytes of weights and scales.</summary>
    public long ByteLength => Data.CapacityBytes + (Scales?.Values.CapacityBytes ?? 0);

    /// <summary>A row-major matrix over <paramref name="data"/>, whose shape is [out, in].</summary>
    public static WeightMatrix RowMajor(string name, Tensor data, WeightScales? scales = null) =>
        new(name, data.Shape[0], data.Shape[1], data.Type, WeightLayout.RowMajor, data, scales);

    /// <summary>The weight at (row, column) of a row-major matrix, scale included, in float32 (F64 weights are rounded).</summary>
    public unsafe float At(int row, int column)
    {
        if (Layout != WeightLayout.RowMajor)
            throw new InvalidOperationException($"{Name} is not row-major.");
        long index = (long)row * Columns + column;
        float value = Format switch
        {
            DType.F64 => (float)Data.Pointer<double>()[index],
            DType.F32 => Data.Pointer<float>()[index],
            DType.BF16 => new BFloat16(Data.Pointer<ushort>()[index]).ToSingle(),
            DType.F16 => Float16.ToSingle(Data.Pointer<ushort>()[index]),
            DType.F8E4M3 => new Float8E4M3(Data.Pointer<byte>()[index]).ToSingle(),
            DType.F8E5M2 => new Float8E5M2(Data.Pointer<byte>()[index]).ToSingle(),
            _ => throw new InvalidOperationException($"{Name} has format {Format}, which is not a format of weights."),
        };
        return Scales is null ? value : value * Scales.At(row, column);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Data.Dispose();
        Scales?.Values.Dispose();
    }
}
