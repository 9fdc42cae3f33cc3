using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

/// <summary>Conversions of whole arrays between the formats of weights and float32.</summary>
internal static partial class FormatConversion
{
    /// <summary>Decodes numbers, exactly (F64 is rounded); the bytes need not be aligned.</summary>
    public static void ToSingle(DType type, ReadOnlySpan<byte> source, Span<float> target)
    {
        switch (type)
        {
            case DType.F64:
                ReadOnlySpan<double> doubles = MemoryMarshal.Cast<byte, double>(source);
                for (int i = 0; i < doubles.Length; i++)
                    target[i] = (float)doubles[i];
                break;
            case DType.F32:
                MemoryMarshal.Cast<byte, float>(source).CopyTo(target);
                break;
            case DType.BF16:
                FromBFloat16(MemoryMarshal.Cast<byte, ushort>(source), target);
                break;
            case DType.F16:
                ReadOnlySpan<ushort> halves = MemoryMarshal.Cast<byte, ushort>(source);
                for (int i = 0; i < halves.Length; i++)
                    target[i] = Float16.ToSingle(halves[i]);
                break;
            case DType.F8E4M3:
                for (int i = 0; i < source.Length; i++)
                    target[i] = new Float8E4M3(source[i]).ToSingle();
                break;
            case DType.F8E5M2:
                for (int i = 0; i < source.Length; i++)
                    target[i] = new Float8E5M2(source[i]).ToSingle();
                break;
            default:
                throw new InvalidInputException($"Weights in the format {type.Name()} cannot be converted to F32.");
        }
    }

    private static void FromBFloat16(ReadOnlySpan<ushort> source, Span<float> target)
    {
        int i = 0;
        Span<uint> bits = MemoryMarshal.Cast<float, uint>(target);
        for (; i <= source.Length - Vector256<ushort>.Count; i += Vector256<ushort>.Count)
        {
            (Vector256<uint> low, Vector256<uint> high) = Vector256.Widen(Vector256.Create(source[i..]));
            (low << 16).CopyTo(bits[i..]);
            (high << 16).CopyTo(bits[(i + Vector256<uint>.Count)..]);
        }
        for (; i < source.Length; i++)
            bits[i] = (uint)source[i] << 16;
    }
}
