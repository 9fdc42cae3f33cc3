using ILGPU;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>Rounding to E4M3 inside of kernels: the codes of <see cref="Float8E4M3.FromSingle"/>.</summary>
internal static class DeviceFloat8
{
    /// <summary>
    /// The code of the nearest value, ties to even, saturating; NaN to 0x7F with its sign. In integers throughout: a compiler could
    /// fuse an addition with the multiplication that made <paramref name="value"/>, and round once where twice is meant.
    /// </summary>
    public static uint Code(float value)
    {
        uint bits = Interop.FloatAsInt(value), sign = (bits >> 24) & 0x80u, magnitude = bits & 0x7FFFFFFFu;
        if (magnitude > 0x7F800000u)
            return sign | 0x7Fu;
        if (magnitude >= 0x43E00000u)
            return sign | 0x7Eu;
        if (magnitude >= 0x3C800000u)
            return sign | ((magnitude + 0x7FFFFu + ((magnitude >> 20) & 1u) - 0x3C000000u) >> 20);
        // Below 2⁻⁶ in units of 2⁻⁹; what is shifted out by 26 or more places is less than half of a unit.
        int shift = IntrinsicMath.Min(141 - (int)(magnitude >> 23), 26);
        uint mantissa = (magnitude & 0x7FFFFFu) | 0x800000u;
        return sign | ((mantissa + (1u << (shift - 1)) - 1u + ((mantissa >> shift) & 1u)) >> shift);
    }

    /// <summary>The value of a code, NaN too.</summary>
    public static float Value(uint code) => (code & 0x7Fu) == 0x7Fu ? float.NaN : Float8Word.Decode(code, 0);

    /// <summary>
    /// The scale of a row (<see cref="Float8Scale"/>), for every thread of the group that walks it. <paramref name="shared"/> has an
    /// element for each thread and is free again afterwards.
    /// </summary>
    public static RowScale ScaleOf(ArrayView<float> x, long first, int columns, ArrayView<uint> shared)
    {
        // The bits of magnitudes are ordered as the numbers are, with NaN above infinity.
        uint own = 0;
        for (int k = Group.IdxX; k < columns; k += Group.DimX)
            own = IntrinsicMath.Max(own, Interop.FloatAsInt(x[first + k]) & 0x7FFFFFFFu);
        shared[Group.IdxX] = own;
        Group.Barrier();
        uint largest = 0;
        for (int i = 0; i < Group.DimX; i++)
            largest = IntrinsicMath.Max(largest, shared[i]);
        Group.Barrier();
        RowScale scale = new() { Value = 1f, Inverse = 1f, HasNaN = largest > 0x7F800000u ? 1 : 0 };
        if (largest > 0u && largest < 0x7F800000u)
        {
            float quotient = Float8E4M3.MaxValue / Interop.IntAsFloat(largest);
            scale.Value = quotient > float.MaxValue ? float.MaxValue : quotient;
            scale.Inverse = 1f / scale.Value;
        }
        return scale;
    }
}

/// <summary>A row's scale.</summary>
internal struct RowScale
{
    /// <summary>What numbers are multiplied by before they are rounded.</summary>
    public float Value;

    /// <summary>What products are multiplied by.</summary>
    public float Inverse;

    /// <summary>1 for a row with a NaN.</summary>
    public int HasNaN;
}
