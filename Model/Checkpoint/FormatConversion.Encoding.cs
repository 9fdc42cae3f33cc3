using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

internal static partial class FormatConversion
{
    /// <summary>Rounds to nearest even into F32 (a copy), BF16 or F16.</summary>
    /// <param name="type">The format.</param>
    /// <param name="source">Numbers whose magnitude is within the format, see <see cref="Limit"/>.</param>
    /// <param name="target">Where the encoded bytes go.</param>
    public static void FromSingle(DType type, ReadOnlySpan<float> source, Span<byte> target)
    {
        switch (type)
        {
            case DType.F32:
                MemoryMarshal.AsBytes(source).CopyTo(target);
                break;
            case DType.BF16:
                ToBFloat16(source, MemoryMarshal.Cast<byte, ushort>(target));
                break;
            case DType.F16:
                ToFloat16(source, MemoryMarshal.Cast<byte, ushort>(target));
                break;
            default:
                throw new InvalidInputException($"Weights cannot be converted to {type.Name()} without scales.");
        }
    }

    /// <summary>The bits of the smallest magnitude that rounds to infinity in a format.</summary>
    public static uint Limit(DType type) => type switch
    {
        DType.BF16 => 0x7F7F_8000,
        DType.F16 => 0x477F_F000,
        _ => 0x7F80_0000,
    };

    /// <summary>
    /// The bits of the largest magnitude; they order as the numbers do, infinity and NaN above all.
    /// </summary>
    public static uint MaxMagnitude(ReadOnlySpan<float> values)
    {
        ReadOnlySpan<uint> bits = MemoryMarshal.Cast<float, uint>(values);
        Vector256<uint> mask = Vector256.Create(0x7FFF_FFFFu), largest = Vector256<uint>.Zero;
        int i = 0;
        for (; i <= bits.Length - Vector256<uint>.Count; i += Vector256<uint>.Count)
            largest = Vector256.Max(largest, Vector256.Create(bits[i..]) & mask);
        uint result = 0;
        for (int lane = 0; lane < Vector256<uint>.Count; lane++)
            result = Math.Max(result, largest[lane]);
        for (; i < bits.Length; i++)
            result = Math.Max(result, bits[i] & 0x7FFF_FFFF);
        return result;
    }

    /// <summary>code = <see cref="Float8E4M3.FromSingle"/>(value / scale), for finite numbers.</summary>
    public static void ToE4M3(ReadOnlySpan<float> source, float scale, Span<byte> codes)
    {
        int i = 0;
        for (; i <= source.Length - Vector256<byte>.Count; i += Vector256<byte>.Count)
        {
            Vector256<ushort> low = Vector256.Narrow(E4M3(source[i..], scale), E4M3(source[(i + 8)..], scale));
            Vector256<ushort> high = Vector256.Narrow(E4M3(source[(i + 16)..], scale), E4M3(source[(i + 24)..], scale));
            Vector256.Narrow(low, high).CopyTo(codes[i..]);
        }
        for (; i < source.Length; i++)
            codes[i] = Float8E4M3.FromSingle(source[i] / scale).Bits;
    }

    // The same steps as Float8E4M3.FromSingle, on eight lanes.
    private static Vector256<uint> E4M3(ReadOnlySpan<float> source, float scale)
    {
        Vector256<uint> bits = (Vector256.Create(source) / Vector256.Create(scale)).AsUInt32();
        Vector256<uint> sign = (bits >> 24) & Vector256.Create(0x80u);
        Vector256<uint> magnitude = bits & Vector256.Create(0x7FFF_FFFFu);
        Vector256<uint> subnormal = (magnitude.AsSingle() + Vector256.Create(16384f)).AsUInt32() - Vector256.Create(0x4680_0000u);
        Vector256<uint> rounded = magnitude + Vector256.Create(unchecked(0x7_FFFFu - (120u << 23))) + ((magnitude >> 20) & Vector256<uint>.One);
        Vector256<uint> normal = Vector256.Min(rounded >> 20, Vector256.Create(0x7Eu));
        return sign | Vector256.ConditionalSelect(Vector256.LessThan(magnitude, Vector256.Create(0x3C80_0000u)), subnormal, normal);
    }

    private static void ToBFloat16(ReadOnlySpan<float> source, Span<ushort> target)
    {
        ReadOnlySpan<uint> bits = MemoryMarshal.Cast<float, uint>(source);
        int i = 0;
        for (; i <= bits.Length - Vector256<ushort>.Count; i += Vector256<ushort>.Count)
            Vector256.Narrow(BFloat16Bits(bits[i..]), BFloat16Bits(bits[(i + Vector256<uint>.Count)..])).CopyTo(target[i..]);
        for (; i < bits.Length; i++)
            target[i] = BFloat16.FromSingle(source[i]).Bits;
    }

    private static Vector256<uint> BFloat16Bits(ReadOnlySpan<uint> source)
    {
        Vector256<uint> bits = Vector256.Create(source);
        return (bits + Vector256.Create(0x7FFFu) + ((bits >> 16) & Vector256<uint>.One)) >> 16;
    }

    // The same steps as Float16.FromSingle below its limit, on eight lanes.
    private static void ToFloat16(ReadOnlySpan<float> source, Span<ushort> target)
    {
        ReadOnlySpan<uint> bits = MemoryMarshal.Cast<float, uint>(source);
        int i = 0;
        for (; i <= bits.Length - Vector256<ushort>.Count; i += Vector256<ushort>.Count)
            Vector256.Narrow(Float16Bits(bits[i..]), Float16Bits(bits[(i + Vector256<uint>.Count)..])).CopyTo(target[i..]);
        for (; i < bits.Length; i++)
            target[i] = Float16.FromSingle(source[i]);
    }

    private static Vector256<uint> Float16Bits(ReadOnlySpan<uint> source)
    {
        Vector256<uint> bits = Vector256.Create(source);
        Vector256<uint> sign = (bits >> 16) & Vector256.Create(0x8000u), magnitude = bits & Vector256.Create(0x7FFF_FFFFu);
        Vector256<uint> subnormal = (magnitude.AsSingle() + Vector256.Create(0.5f)).AsUInt32() - Vector256.Create(0x3F00_0000u);
        Vector256<uint> rounded = magnitude + Vector256.Create(unchecked(0xFFFu - (112u << 23))) + ((magnitude >> 13) & Vector256<uint>.One);
        return sign | Vector256.ConditionalSelect(Vector256.LessThan(magnitude, Vector256.Create(0x3880_0000u)), subnormal, rounded >> 13);
    }
}
