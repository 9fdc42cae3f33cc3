using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

/// <summary>Conversions of whole arrays between the formats of weights and float32.</summary>
internal static partial class FormatConversion
{
    private static readonly float[] s_e4m3 = [.. Enumerable.Range(0, 256).Select(code => new Float8E4M3((byte)code).ToSingle())];
    private static readonly float[] s_e5m2 = [.. Enumerable.Range(0, 256).Select(code => new Float8E5M2((byte)code).ToSingle())];

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
                FromFloat16(MemoryMarshal.Cast<byte, ushort>(source), target);
                break;
            case DType.F8E4M3:
                LookUp(source, s_e4m3, target);
                break;
            case DType.F8E5M2:
                LookUp(source, s_e5m2, target);
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

    // The same steps as Float16.ToSingle, on eight lanes.
    private static void FromFloat16(ReadOnlySpan<ushort> source, Span<float> target)
    {
        int i = 0;
        Span<uint> bits = MemoryMarshal.Cast<float, uint>(target);
        for (; i <= source.Length - Vector256<ushort>.Count; i += Vector256<ushort>.Count)
        {
            (Vector256<uint> low, Vector256<uint> high) = Vector256.Widen(Vector256.Create(source[i..]));
            FromFloat16(low).CopyTo(bits[i..]);
            FromFloat16(high).CopyTo(bits[(i + Vector256<uint>.Count)..]);
        }
        for (; i < source.Length; i++)
            target[i] = Float16.ToSingle(source[i]);
    }

    private static Vector256<uint> FromFloat16(Vector256<uint> bits)
    {
        Vector256<uint> sign = (bits & Vector256.Create(0x8000u)) << 16, shifted = (bits & Vector256.Create(0x7FFFu)) << 13;
        Vector256<uint> finite = (shifted.AsSingle() * Vector256.Create(Float16.Scale)).AsUInt32();
        Vector256<uint> isSpecial = Vector256.GreaterThanOrEqual(shifted, Vector256.Create(0x7C00u << 13));
        return sign | Vector256.ConditionalSelect(isSpecial, shifted | Vector256.Create(0x7F80_0000u), finite);
    }

    private static void LookUp(ReadOnlySpan<byte> codes, ReadOnlySpan<float> table, Span<float> target)
    {
        target = target[..codes.Length];
        table = table[..256];
        for (int i = 0; i < codes.Length; i++)
            target[i] = table[codes[i]];
    }
}
