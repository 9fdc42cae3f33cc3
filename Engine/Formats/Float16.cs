using System.Runtime.CompilerServices;

namespace Mellum2.Managed.Engine;

/// <summary>
/// Conversions of IEEE 754 binary16 (<see cref="Half"/>) by shift and scale, the arithmetic that the SIMD kernels
/// use too: the F16C instructions are not reachable from .NET.
/// </summary>
public static class Float16
{
    /// <summary>
    /// The factor that <see cref="DecodeScaled"/> leaves out: a binary16's exponent bias is 15 and a binary32's 127.
    /// </summary>
    public const float Scale = 5.192296858534828e33f; // 2^112

    /// <summary>The value of a finite binary16 times 2⁻¹¹², exact for subnormals too.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float DecodeScaled(ushort bits) =>
        BitConverter.UInt32BitsToSingle((uint)(bits & 0x8000) << 16 | (uint)(bits & 0x7FFF) << 13);

    /// <summary>The value, exactly; infinities and NaN keep their sign.</summary>
    public static float ToSingle(ushort bits) => (bits & 0x7C00) == 0x7C00
        ? BitConverter.UInt32BitsToSingle((uint)(bits & 0x8000) << 16 | 0x7F80_0000 | (uint)(bits & 0x3FF) << 13)
        : DecodeScaled(bits) * Scale;

    /// <summary>
    /// Rounds to nearest even; overflow gives infinity, NaN gives the quiet NaN 0x7E00 with the sign of
    /// <paramref name="value"/>.
    /// </summary>
    public static ushort FromSingle(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        uint sign = (bits >> 16) & 0x8000;
        uint magnitude = bits & 0x7FFF_FFFF;
        if (magnitude > 0x7F80_0000)
            return (ushort)(sign | 0x7E00);
        if (magnitude >= 0x4780_0000) // 2^16 and above
            return (ushort)(sign | 0x7C00);
        if (magnitude < 0x3880_0000) // below the smallest normal, 2^-14: adding 0.5 aligns the mantissa to units of 2^-24
        {
            float aligned = BitConverter.UInt32BitsToSingle(magnitude) + 0.5f;
            return (ushort)(sign | (BitConverter.SingleToUInt32Bits(aligned) - 0x3F00_0000));
        }
        uint rounded = magnitude + 0xFFF + ((magnitude >> 13) & 1) - (112u << 23);
        return (ushort)(sign | rounded >> 13);
    }
}
