using System.Runtime.CompilerServices;

namespace Mellum2.Managed.Engine;

/// <summary>bfloat16: sign, 8 exponent bits, 7 mantissa bits; the upper half of a binary32.</summary>
/// <param name="Bits">The 16 bits.</param>
public readonly record struct BFloat16(ushort Bits)
{
    /// <summary>
    /// Rounds to nearest even; overflow gives infinity, NaN gives the quiet NaN 0x7FC0 with the sign of
    /// <paramref name="value"/>.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static BFloat16 FromSingle(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if ((bits & 0x7FFF_FFFF) > 0x7F80_0000)
            return new((ushort)((bits >> 16) & 0x8000 | 0x7FC0));
        return new((ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16));
    }

    /// <summary>The value, exactly.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float ToSingle() => BitConverter.UInt32BitsToSingle((uint)Bits << 16);
}
