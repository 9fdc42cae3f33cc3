using ILGPU;

namespace Mellum2.Managed.Kernels;

/// <summary>
/// Elementary functions inside of kernels: the polynomials of <see cref="LaneMath{T}"/>, because drivers' own functions differ
/// between devices and some are approximate.
/// </summary>
internal static class DeviceMath
{
    /// <summary>eˣ; see <see cref="LaneMath{T}.Exp(T)"/>.</summary>
    public static float Exp(float x)
    {
        // The comparisons let a NaN through.
        float clamped = x < -88f ? -88f : x > 89f ? 89f : x;
        int n = (int)(clamped * 1.442695041f + (clamped < 0 ? -0.5f : 0.5f));
        float r = n * -0.693359375f + clamped;
        r = n * 2.12194440e-4f + r;
        float p = 1.3888889e-3f;
        p = p * r + 8.3333333e-3f;
        p = p * r + 4.1666668e-2f;
        p = p * r + 1.6666667e-1f;
        p = p * r + 0.5f;
        p = p * r + 1f;
        p = p * r + 1f;
        // 2ⁿ⁻¹ twice: 2¹²⁸ alone would be infinite where the result is not. What a NaN is converted to does not matter, and n is not
        // bounded: PoCL 6 (LLVM 18) stops with an internal error where it is.
        return x < -86.6f ? 0f : (p + p) * Interop.IntAsFloat((uint)(n + 126) << 23);
    }

    /// <summary>ln x; see <see cref="LaneMath{T}.Log(T)"/>.</summary>
    public static float Log(float x)
    {
        bool small = x < 1.17549435e-38f;
        uint bits = Interop.FloatAsInt(small ? x * 8388608f : x);
        float n = (int)((bits >> 23) & 0xFFu) - 127 - (small ? 23 : 0);
        float m = Interop.IntAsFloat((bits & 0x007FFFFFu) | 0x3F800000u);
        if (m >= 1.41421354f)
        {
            n += 1f;
            m *= 0.5f;
        }
        float f = m - 1f, square = f * f;
        float p = 7.0376836e-2f;
        p = p * f + -1.1514610e-1f;
        p = p * f + 1.1676999e-1f;
        p = p * f + -1.2420141e-1f;
        p = p * f + 1.4249323e-1f;
        p = p * f + -1.6668057e-1f;
        p = p * f + 2.0000715e-1f;
        p = p * f + -2.4999994e-1f;
        p = p * f + 3.3333331e-1f;
        p = p * square * f;
        p = n * -2.12194440e-4f + p;
        p = square * -0.5f + p;
        float result = n * 0.693359375f + (f + p);
        if (x > 0f)
            return x < float.PositiveInfinity ? result : x;
        return x == 0f ? float.NegativeInfinity : float.NaN;
    }

    /// <summary>z / (1 + e^{−z}); 0 below −87, NaN at NaN.</summary>
    public static float Silu(float z) => z < -87f ? 0f : z / (1f + Exp(-z));

    /// <summary>The bits of the nearest bfloat16, ties to even.</summary>
    public static uint BFloat16Bits(float value)
    {
        uint bits = Interop.FloatAsInt(value);
        // A NaN stays one: rounding could carry it into infinity.
        return (bits & 0x7FFFFFFFu) > 0x7F800000u ? (bits >> 16) | 0x40u : (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
    }

    /// <summary>
    /// The sum over the group's threads, in the order of their numbers, for every thread. <paramref name="shared"/> has an
    /// element for each thread and is free again afterwards.
    /// </summary>
    public static float GroupSum(ArrayView<float> shared, float value)
    {
        shared[Group.IdxX] = value;
        Group.Barrier();
        float sum = 0;
        for (int i = 0; i < Group.DimX; i++)
            sum += shared[i];
        Group.Barrier();
        return sum;
    }

    /// <summary>The largest value of the group's threads, for every thread; a NaN counts for nothing.</summary>
    public static float GroupMax(ArrayView<float> shared, float value)
    {
        shared[Group.IdxX] = value;
        Group.Barrier();
        float maximum = float.NegativeInfinity;
        for (int i = 0; i < Group.DimX; i++)
            maximum = shared[i] > maximum ? shared[i] : maximum;
        Group.Barrier();
        return maximum;
    }
}
