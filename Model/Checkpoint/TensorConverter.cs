using System.Runtime.InteropServices;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>Converts one tensor after the other in blocks of 128 rows, with buffers that it keeps.</summary>
internal sealed class TensorConverter(Checkpoint checkpoint, CheckpointWriter writer, CancellationToken cancellation)
{
    private const int BlockSize = WeightScales.BlockSize;

    /// <summary>The smallest scale: below the normal numbers a quotient by it would not be exact to float32.</summary>
    private const float SmallestScale = 1.17549435e-38f; // 2^-126

    private float[] _values = [];
    private byte[] _encoded = [];

    /// <summary>The name of the scales of an FP8 tensor.</summary>
    public static string ScaleName(string name) => name + "_scale_inv";

    /// <summary>The shape of the scales of an FP8 matrix.</summary>
    public static Shape ScaleShape(Shape shape) => new(Blocks(shape.Rows), Blocks(shape.Columns));

    /// <summary>Reads a tensor, decodes it to float32 with its scales, and writes it in another format.</summary>
    public void Convert(ExpectedTensor tensor, DType type)
    {
        if (tensor.Shape.Rank == 1)
        {
            cancellation.ThrowIfCancellationRequested();
            using Tensor vector = checkpoint.OpenVector(tensor.Name, tensor.Shape.Columns);
            WritePlain(tensor.Name, vector.Span<float>(), type);
            return;
        }
        using WeightMatrix matrix = checkpoint.OpenMatrix(tensor.Name, tensor.Shape.Rows, tensor.Shape.Columns);
        float[] scales = type == DType.F8E4M3 ? new float[ScaleShape(tensor.Shape).Count] : [];
        for (int row = 0; row < matrix.Rows; row += BlockSize)
        {
            cancellation.ThrowIfCancellationRequested();
            int rows = Math.Min(BlockSize, matrix.Rows - row);
            Span<float> values = Resize(ref _values, checked(rows * matrix.Columns));
            Decode(matrix, row, rows, values);
            if (type == DType.F8E4M3)
                WriteBlocks(tensor.Name, values, matrix.Columns, scales.AsSpan(row / BlockSize * Blocks(matrix.Columns)));
            else
                WritePlain(tensor.Name, values, type);
        }
        if (type == DType.F8E4M3)
            writer.Write(ScaleName(tensor.Name), MemoryMarshal.AsBytes(scales.AsSpan()));
    }

    private void WritePlain(string name, ReadOnlySpan<float> values, DType type)
    {
        if (FormatConversion.MaxMagnitude(values) >= FormatConversion.Limit(type))
            throw new InvalidInputException($"The checkpoint {checkpoint.Folder} has a weight in \"{name}\" that is no finite number in {type.Name()}.");
        Span<byte> encoded = Resize(ref _encoded, checked(values.Length * type.Size()));
        FormatConversion.FromSingle(type, values, encoded);
        writer.Write(name, encoded);
    }

    /// <summary>One row of blocks: scale = amax / 448, code = E4M3(weight / scale).</summary>
    private void WriteBlocks(string name, ReadOnlySpan<float> values, int columns, Span<float> scales)
    {
        int rows = values.Length / columns;
        Span<byte> codes = Resize(ref _encoded, values.Length);
        for (int start = 0; start < columns; start += BlockSize)
        {
            int width = Math.Min(BlockSize, columns - start);
            uint largest = 0;
            for (int row = 0; row < rows; row++)
                largest = Math.Max(largest, FormatConversion.MaxMagnitude(values.Slice(row * columns + start, width)));
            if (largest >= FormatConversion.Limit(DType.F32))
                throw new InvalidInputException($"The checkpoint {checkpoint.Folder} has a weight in \"{name}\" that is not finite.");
            float amax = BitConverter.UInt32BitsToSingle(largest);
            float scale = amax == 0 ? 1 : Math.Max(amax / Float8E4M3.MaxValue, SmallestScale);
            scales[start / BlockSize] = scale;
            for (int row = 0; row < rows; row++)
                FormatConversion.ToE4M3(values.Slice(row * columns + start, width), scale, codes.Slice(row * columns + start, width));
        }
        writer.Write(name, codes);
    }

    private static unsafe void Decode(WeightMatrix matrix, int firstRow, int rows, Span<float> values)
    {
        int size = matrix.Format.Size(), columns = matrix.Columns;
        byte* start = matrix.Data.Data + (long)firstRow * columns * size;
        FormatConversion.ToSingle(matrix.Format, new ReadOnlySpan<byte>(start, checked(values.Length * size)), values);
        if (matrix.Scales is not { } scales)
            return;
        int segment = scales.Kind == ScaleKind.Block ? BlockSize : columns;
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < columns; column += segment)
            {
                float scale = scales.At(firstRow + row, column);
                foreach (ref float value in values.Slice(row * columns + column, Math.Min(segment, columns - column)))
                    value *= scale;
            }
        }
    }

    private static Span<T> Resize<T>(ref T[] buffer, int length)
    {
        if (buffer.Length < length)
            buffer = new T[length];
        return buffer.AsSpan(0, length);
    }

    private static int Blocks(int length) => (length + BlockSize - 1) / BlockSize;
}
