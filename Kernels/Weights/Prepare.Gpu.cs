using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class GpuKernels
{
    // Rows begin at a multiple of 16 bytes in every format, and a tile's step over k ends inside of a row.
    private const int ColumnMultiple = 16;

    /// <inheritdoc/>
    /// <exception cref="InvalidInputException">
    /// The parts do not fit together, their format is none to multiply by, an FP8 or F16 weight or a scale is not finite, or the
    /// device has no room.
    /// </exception>
    public WeightMatrix Prepare(ReadOnlySpan<WeightMatrix> parts)
    {
        int rows = WeightParts.Check(parts), columns = parts[0].Columns;
        DType format = parts[0].Format;
        int padded = checked((columns + ColumnMultiple - 1) / ColumnMultiple * ColumnMultiple);
        Tensor data = Tensor.Allocate(format, new Shape(rows, padded), _device);
        Tensor? scales = null;
        try
        {
            int row = 0;
            foreach (WeightMatrix part in parts)
            {
                Upload(part, data, row);
                row += part.Rows;
            }
            if (format == DType.F8E4M3)
                scales = UploadScales(parts, rows);
            return new WeightMatrix(
                parts[0].Name, rows, columns, format, WeightLayout.PaddedRows, data,
                scales is null ? null : new WeightScales(ScaleKind.RowBlock, scales));
        }
        catch
        {
            data.Dispose();
            scales?.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public WeightMatrix PrepareEmbedding(WeightMatrix table) => Prepare([table]);

    /// <inheritdoc/>
    public void Gather(WeightMatrix[] experts)
    {
        WeightMatrix first = experts[0];
        Tensor block = Tensor.Allocate(first.Format, new Shape(experts.Length * first.Rows, first.Data.Columns), _device);
        Tensor? scales = first.Scales is null
            ? null
            : Tensor.Allocate(DType.F32, new Shape(experts.Length * first.Rows, first.Scales.Values.Columns), _device);
        for (int e = 0; e < experts.Length; e++)
        {
            WeightMatrix expert = experts[e];
            if (expert.Rows != first.Rows || expert.Columns != first.Columns || expert.Format != first.Format)
                throw new InvalidInputException(
                    $"{expert.Name} [{expert.Rows}, {expert.Columns}] of {expert.Format.Name()} is not like {first.Name} [{first.Rows}, {first.Columns}] of {first.Format.Name()}; a layer's experts have one shape and format.");
            expert.Data.CopyRowsTo(0, expert.Rows, block, e * first.Rows);
            if (scales is not null)
                expert.Scales!.Values.CopyRowsTo(0, expert.Rows, scales, e * first.Rows);
        }
        // Nothing is freed while a queued copy may still read it.
        _device.Synchronize();
        for (int e = 0; e < experts.Length; e++)
        {
            WeightMatrix expert = experts[e];
            // The first owns the block; the others look into it.
            experts[e] = new WeightMatrix(
                expert.Name, expert.Rows, expert.Columns, expert.Format, WeightLayout.PaddedRows,
                Part(block, e), scales is null ? null : new WeightScales(ScaleKind.RowBlock, Part(scales, e)));
            expert.Dispose();
        }

        Tensor Part(Tensor whole, int e) => e == 0
            ? whole.OwningRowsView(0, first.Rows)
            : whole.RowsView(e * first.Rows, first.Rows);
    }

    private static void Upload(WeightMatrix part, Tensor target, int targetRow)
    {
        long rowBytes = (long)part.Columns * part.Format.Size();
        for (int r = 0; r < part.Rows; r++)
            WeightParts.CheckFinite(part, r, part.Data.Data + r * rowBytes);
        if (part.Columns == target.Columns)
        {
            part.Data.CopyRowsTo(0, part.Rows, target, targetRow);
            return;
        }
        using Tensor padded = Tensor.Allocate(part.Format, new Shape(part.Rows, target.Columns));
        long paddedBytes = (long)target.Columns * part.Format.Size();
        for (int r = 0; r < part.Rows; r++)
            Buffer.MemoryCopy(part.Data.Data + r * rowBytes, padded.Data + r * paddedBytes, paddedBytes, rowBytes);
        padded.CopyRowsTo(0, part.Rows, target, targetRow);
    }

    private Tensor UploadScales(ReadOnlySpan<WeightMatrix> parts, int rows)
    {
        int blocks = WeightParts.ScaleKind(parts) == ScaleKind.Block
            ? Math.Max(1, (parts[0].Columns + WeightScales.BlockSize - 1) / WeightScales.BlockSize)
            : 1;
        using Tensor factors = Tensor.Allocate(DType.F32, new Shape(rows, blocks));
        float* next = factors.Pointer<float>();
        foreach (WeightMatrix part in parts)
            for (int r = 0; r < part.Rows; r++)
                for (int block = 0; block < blocks; block++)
                    *next++ = WeightParts.Scale(part, r, block);
        return factors.CopyTo(_device);
    }
}
