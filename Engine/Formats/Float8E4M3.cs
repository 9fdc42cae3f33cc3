using System.Runtime.CompilerServices;

namespace Mellum2.Managed.Engine;

/// <summary>
/// 8-bit float E4M3 (the "FN" kind): sign, 4 exponent bits with bias 7, 3 mantissa bits. No infinities;
/// 0x7F and 0xFF are NaN, the largest value is 448 (0x7E), the smallest normal 2⁻⁶, the smallest subnormal 2⁻⁹.
/// </summary>
/// <param name="Bits">The 8 bits.</param>
public readonly record struct Float8E4M3(byte Bits)
{
    /// <summary>The largest finite value.</summary>
    public const float MaxValue = 448;

    /// <summary>The factor that <see cref="DecodeScaled"/> leaves out.</summary>
    public const float Scale = 1.329227995784916e36f; // 2^120

    /// <summary>
    /// Rounds to nearest even and saturates: infinities and what would overflow become ±448, NaN becomes 0x7F with
    /// the sign of <paramref name="value"/> (as PTX <c>cvt.rn.satfinite</c> does, which drops that sign).
    /// </summary>
    public static Float8E4M3 FromSingle(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        uint sign = (bits >> 24) & 0x80;
        uint magnitude = bits & 0x7FFF_FFFF;
        if (magnitude > 0x7F80_0000)
            return new((byte)(sign | 0x7F));
        if (magnitude >= 0x43E0_0000) // 448
            return new((byte)(sign | 0x7E));
        if (magnitude < 0x3C80_0000) // below 2^-6: adding 2^14 aligns the mantissa to units of 2^-9
        {
            float aligned = BitConverter.UInt32BitsToSingle(magnitude) + 16384f;
            return new((byte)(sign | (BitConverter.SingleToUInt32Bits(aligned) - 0x4680_0000)));
        }
        uint rounded = magnitude + 0x7_FFFF + ((magnitude >> 20) & 1) - (120u << 23);
        return new((byte)(sign | rounded >> 20));
    }

    /// <summary>The value of a finite code times 2⁻¹²⁰, exact for subnormals too; NaN codes give ±480 · 2⁻¹²⁰.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float DecodeScaled(byte bits) =>
        BitConverter.UInt32BitsToSingle((uint)(bits & 0x80) << 24 | (uint)(bits & 0x7F) << 20);

    /// <summary>The value, exactly.</summary>
    public float ToSingle() => (Bits & 0x7F) == 0x7F
        ? BitConverter.UInt32BitsToSingle((uint)(Bits & 0x80) << 24 | 0x7FC0_0000)
        : DecodeScaled(Bits) * Scale;
}
