using System.Runtime.CompilerServices;

namespace Mellum2.Managed.Engine;

/// <summary>
/// 8-bit float E5M2: sign, 5 exponent bits with bias 15, 2 mantissa bits; the upper half of a binary16.
/// 0x7C is infinity, 0x7D to 0x7F are NaN, the largest finite value is 57,344 (0x7B).
/// </summary>
/// <param name="Bits">The 8 bits.</param>
public readonly record struct Float8E5M2(byte Bits)
{
    /// <summary>The largest finite value.</summary>
    public const float MaxValue = 57344;

    /// <summary>
    /// Rounds to nearest even and saturates: infinities and what would overflow become ±57,344, NaN becomes 0x7F
    /// with the sign of <paramref name="value"/>.
    /// </summary>
    public static Float8E5M2 FromSingle(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        uint sign = (bits >> 24) & 0x80;
        uint magnitude = bits & 0x7FFF_FFFF;
        if (magnitude > 0x7F80_0000)
            return new((byte)(sign | 0x7F));
        if (magnitude >= 0x4760_0000) // 57,344
            return new((byte)(sign | 0x7B));
        if (magnitude < 0x3880_0000) // below 2^-14: adding 2^7 aligns the mantissa to units of 2^-16
        {
            float aligned = BitConverter.UInt32BitsToSingle(magnitude) + 128f;
            return new((byte)(sign | (BitConverter.SingleToUInt32Bits(aligned) - 0x4300_0000)));
        }
        uint rounded = magnitude + 0xF_FFFF + ((magnitude >> 21) & 1) - (112u << 23);
        return new((byte)(sign | rounded >> 21));
    }

    /// <summary>The value, exactly; infinities and NaN keep their sign.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float ToSingle() => Float16.ToSingle((ushort)(Bits << 8));
}
