using System.Runtime.InteropServices;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>Copies of rows in the memory of the process, whatever their format: what all CPU back ends share.</summary>
internal static unsafe class RowCopies
{
    public static void Copy(Tensor x, int firstRow, Tensor y) =>
        Buffer.MemoryCopy(x.Data + (long)firstRow * x.Columns * x.Type.Size(), y.Data, y.ByteLength, y.ByteLength);

    public static void Concatenate(Tensor a, Tensor b, Tensor y)
    {
        long left = (long)a.Columns * a.Type.Size(), right = (long)b.Columns * b.Type.Size();
        for (int t = 0; t < y.Rows; t++)
        {
            byte* target = y.Data + t * (left + right);
            Buffer.MemoryCopy(a.Data + t * left, target, left, left);
            Buffer.MemoryCopy(b.Data + t * right, target + left, right, right);
        }
    }

    public static void Place(Tensor y, int firstRow, Tensor x)
    {
        long begin = (long)firstRow * x.Columns * x.Type.Size(), end = begin + y.ByteLength;
        if (firstRow < 0 || end > x.ByteLength)
            throw new ArgumentOutOfRangeException(nameof(firstRow), $"Rows {firstRow} … of {x} have no room for {y}.");
        NativeMemory.Clear(x.Data, (nuint)begin);
        Buffer.MemoryCopy(y.Data, x.Data + begin, y.ByteLength, y.ByteLength);
        NativeMemory.Clear(x.Data + end, (nuint)(x.ByteLength - end));
    }

    public static void Split(Tensor y, Tensor a, Tensor b)
    {
        long left = (long)a.Columns * a.Type.Size(), right = (long)b.Columns * b.Type.Size();
        for (int t = 0; t < y.Rows; t++)
        {
            byte* source = y.Data + t * (left + right);
            Buffer.MemoryCopy(source, a.Data + t * left, left, left);
            Buffer.MemoryCopy(source + left, b.Data + t * right, right, right);
        }
    }
}
