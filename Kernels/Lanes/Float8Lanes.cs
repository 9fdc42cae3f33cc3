using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Mellum2.Managed.Kernels;

/// <summary>
/// Rounds vectors of float32 to 8-bit floats as <see cref="Engine.Float8E4M3.FromSingle"/> and
/// <see cref="Engine.Float8E5M2.FromSingle"/> do: nearest even, saturating, NaN to 0x7F with its sign. <c>Round</c> gives
/// the values of the codes without the codes, and does the same for bfloat16.
/// </summary>
internal static unsafe class Float8Lanes
{
    /// <summary>4 exponent and 3 mantissa bits.</summary>
    public static Format E4M3 => new(20, 0x43E0_0000, 0x3C80_0000, 16384f, unchecked(0x7_FFFFu - (120u << 23)));

    /// <summary>5 exponent and 2 mantissa bits.</summary>
    public static Format E5M2 => new(21, 0x4760_0000, 0x3880_0000, 128f, unchecked(0xF_FFFFu - (112u << 23)));

    /// <summary>8 exponent and 7 mantissa bits, subnormal numbers as float32 has them; only for <c>Round</c>.</summary>
    public static Format BFloat16 => new(16, 0x7F80_0000, 0, 0, 0);

    /// <summary>Writes sixteen codes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Format f, Vector512<float> v0, byte* target) =>
        Avx512F.ConvertToVector128Byte(Encode(in f, v0)).Store(target);

    /// <summary>Writes sixteen codes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Format f, Vector256<float> v0, Vector256<float> v1, byte* target)
    {
        Vector256<ushort> codes = Vector256.Narrow(Encode(in f, v0), Encode(in f, v1));
        Vector128.Narrow(codes.GetLower(), codes.GetUpper()).Store(target);
    }

    /// <summary>Writes sixteen codes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Format f, Vector128<float> v0, Vector128<float> v1, Vector128<float> v2, Vector128<float> v3, byte* target)
    {
        Vector128<ushort> low = Vector128.Narrow(Encode(in f, v0), Encode(in f, v1));
        Vector128<ushort> high = Vector128.Narrow(Encode(in f, v2), Encode(in f, v3));
        Vector128.Narrow(low, high).Store(target);
    }

    /// <summary>The values nearest to the lanes, ties to even.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Round(Format f, Vector512<float> value)
    {
        Vector512<uint> bits = value.AsUInt32(), bounded = Vector512.Min(bits & Vector512.Create(0x7FFF_FFFFu), Vector512.Create(f.Largest));
        Vector512<uint> odd = Vector512.ShiftRightLogical(bounded, f.Shift) & Vector512<uint>.One;
        Vector512<uint> rounded = (bounded + odd + Vector512.Create((1u << (f.Shift - 1)) - 1)) & Vector512.Create(uint.MaxValue << f.Shift);
        if (f.SmallestNormal > 0)
        {
            Vector512<float> aligner = Vector512.Create(f.Aligner), subnormal = bounded.AsSingle() + aligner - aligner;
            rounded = Vector512.ConditionalSelect(Vector512.LessThan(bounded, Vector512.Create(f.SmallestNormal)), subnormal.AsUInt32(), rounded);
        }
        rounded = Vector512.ConditionalSelect(Vector512.Equals(value, value).AsUInt32(), rounded, Vector512.Create(0x7FC0_0000u));
        return (rounded | (bits & Vector512.Create(0x8000_0000u))).AsSingle();
    }

    /// <summary>The values nearest to the lanes, ties to even.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Round(Format f, Vector256<float> value)
    {
        Vector256<uint> bits = value.AsUInt32(), bounded = Vector256.Min(bits & Vector256.Create(0x7FFF_FFFFu), Vector256.Create(f.Largest));
        Vector256<uint> odd = Vector256.ShiftRightLogical(bounded, f.Shift) & Vector256<uint>.One;
        Vector256<uint> rounded = (bounded + odd + Vector256.Create((1u << (f.Shift - 1)) - 1)) & Vector256.Create(uint.MaxValue << f.Shift);
        if (f.SmallestNormal > 0)
        {
            Vector256<float> aligner = Vector256.Create(f.Aligner), subnormal = bounded.AsSingle() + aligner - aligner;
            rounded = Vector256.ConditionalSelect(Vector256.LessThan(bounded, Vector256.Create(f.SmallestNormal)), subnormal.AsUInt32(), rounded);
        }
        rounded = Vector256.ConditionalSelect(Vector256.Equals(value, value).AsUInt32(), rounded, Vector256.Create(0x7FC0_0000u));
        return (rounded | (bits & Vector256.Create(0x8000_0000u))).AsSingle();
    }

    /// <summary>The values nearest to the lanes, ties to even.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Round(Format f, Vector128<float> value)
    {
        Vector128<uint> bits = value.AsUInt32(), bounded = Vector128.Min(bits & Vector128.Create(0x7FFF_FFFFu), Vector128.Create(f.Largest));
        Vector128<uint> odd = Vector128.ShiftRightLogical(bounded, f.Shift) & Vector128<uint>.One;
        Vector128<uint> rounded = (bounded + odd + Vector128.Create((1u << (f.Shift - 1)) - 1)) & Vector128.Create(uint.MaxValue << f.Shift);
        if (f.SmallestNormal > 0)
        {
            Vector128<float> aligner = Vector128.Create(f.Aligner), subnormal = bounded.AsSingle() + aligner - aligner;
            rounded = Vector128.ConditionalSelect(Vector128.LessThan(bounded, Vector128.Create(f.SmallestNormal)), subnormal.AsUInt32(), rounded);
        }
        rounded = Vector128.ConditionalSelect(Vector128.Equals(value, value).AsUInt32(), rounded, Vector128.Create(0x7FC0_0000u));
        return (rounded | (bits & Vector128.Create(0x8000_0000u))).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Encode(in Format f, Vector512<float> value)
    {
        Vector512<uint> bits = value.AsUInt32(), magnitude = bits & Vector512.Create(0x7FFF_FFFFu);
        Vector512<uint> bounded = Vector512.Min(magnitude, Vector512.Create(f.Largest));
        Vector512<uint> odd = Vector512.ShiftRightLogical(bounded, f.Shift) & Vector512<uint>.One;
        Vector512<uint> normal = Vector512.ShiftRightLogical(bounded + odd + Vector512.Create(f.Rebase), f.Shift);
        Vector512<uint> subnormal = (bounded.AsSingle() + Vector512.Create(f.Aligner)).AsUInt32() - Vector512.Create(BitConverter.SingleToUInt32Bits(f.Aligner));
        Vector512<uint> code = Vector512.ConditionalSelect(Vector512.LessThan(bounded, Vector512.Create(f.SmallestNormal)), subnormal, normal);
        code = Vector512.ConditionalSelect(Vector512.Equals(value, value).AsUInt32(), code, Vector512.Create(0x7Fu));
        return code | (Vector512.ShiftRightLogical(bits, 24) & Vector512.Create(0x80u));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Encode(in Format f, Vector256<float> value)
    {
        Vector256<uint> bits = value.AsUInt32(), magnitude = bits & Vector256.Create(0x7FFF_FFFFu);
        Vector256<uint> bounded = Vector256.Min(magnitude, Vector256.Create(f.Largest));
        Vector256<uint> odd = Vector256.ShiftRightLogical(bounded, f.Shift) & Vector256<uint>.One;
        Vector256<uint> normal = Vector256.ShiftRightLogical(bounded + odd + Vector256.Create(f.Rebase), f.Shift);
        Vector256<uint> subnormal = (bounded.AsSingle() + Vector256.Create(f.Aligner)).AsUInt32() - Vector256.Create(BitConverter.SingleToUInt32Bits(f.Aligner));
        Vector256<uint> code = Vector256.ConditionalSelect(Vector256.LessThan(bounded, Vector256.Create(f.SmallestNormal)), subnormal, normal);
        code = Vector256.ConditionalSelect(Vector256.Equals(value, value).AsUInt32(), code, Vector256.Create(0x7Fu));
        return code | (Vector256.ShiftRightLogical(bits, 24) & Vector256.Create(0x80u));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> Encode(in Format f, Vector128<float> value)
    {
        Vector128<uint> bits = value.AsUInt32(), magnitude = bits & Vector128.Create(0x7FFF_FFFFu);
        Vector128<uint> bounded = Vector128.Min(magnitude, Vector128.Create(f.Largest));
        Vector128<uint> odd = Vector128.ShiftRightLogical(bounded, f.Shift) & Vector128<uint>.One;
        Vector128<uint> normal = Vector128.ShiftRightLogical(bounded + odd + Vector128.Create(f.Rebase), f.Shift);
        Vector128<uint> subnormal = (bounded.AsSingle() + Vector128.Create(f.Aligner)).AsUInt32() - Vector128.Create(BitConverter.SingleToUInt32Bits(f.Aligner));
        Vector128<uint> code = Vector128.ConditionalSelect(Vector128.LessThan(bounded, Vector128.Create(f.SmallestNormal)), subnormal, normal);
        code = Vector128.ConditionalSelect(Vector128.Equals(value, value).AsUInt32(), code, Vector128.Create(0x7Fu));
        return code | (Vector128.ShiftRightLogical(bits, 24) & Vector128.Create(0x80u));
    }

    /// <summary>What tells the formats apart, in terms of a float32's bits.</summary>
    /// <param name="Shift">The mantissa bits that are dropped.</param>
    /// <param name="Largest">The bits of the largest finite value: what is larger becomes it.</param>
    /// <param name="SmallestNormal">The bits of the smallest normal value.</param>
    /// <param name="Aligner">A number whose last bit has the worth of the smallest subnormal value: adding it rounds.</param>
    /// <param name="Rebase">Half of the dropped bits less one, less the difference of the exponents' biases.</param>
    public readonly record struct Format(int Shift, uint Largest, uint SmallestNormal, float Aligner, uint Rebase);
}
