using System.Runtime.CompilerServices;

namespace Mellum2.Managed.Kernels;

/// <summary>
/// Elementary functions on sixteen lanes. They are our own polynomials, since <see cref="MathF"/> differs between
/// machines; every width and every machine gives the same bits.
/// </summary>
internal static class LaneMath<T> where T : struct, ILanes<T>
{
    /// <summary>
    /// eˣ: x = n·ln 2 + r with |r| ≤ ln 2 / 2, then a polynomial of degree 6 in r times 2ⁿ. Relative error below 2⁻²²
    /// for x in [−86.6, 88.7]. Below that it is 0, above infinity; −∞ gives 0 and NaN gives NaN.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Exp(T x)
    {
        // Beyond these bounds 2ⁿ would leave the exponent field; the order of the operands keeps a NaN.
        T clamped = T.Min(T.Broadcast(89f), T.Max(T.Broadcast(-88f), x));
        T magic = T.Broadcast(12582912f);
        T n = T.FusedMultiplyAdd(clamped, T.Broadcast(1.442695041f), magic) - magic;
        T r = T.FusedMultiplyAdd(n, T.Broadcast(-0.693359375f), clamped);
        r = T.FusedMultiplyAdd(n, T.Broadcast(2.12194440e-4f), r);
        T p = T.Broadcast(1.3888889e-3f);
        p = T.FusedMultiplyAdd(p, r, T.Broadcast(8.3333333e-3f));
        p = T.FusedMultiplyAdd(p, r, T.Broadcast(4.1666668e-2f));
        p = T.FusedMultiplyAdd(p, r, T.Broadcast(1.6666667e-1f));
        p = T.FusedMultiplyAdd(p, r, T.Broadcast(0.5f));
        p = T.FusedMultiplyAdd(p, r, T.Broadcast(1f));
        p = T.FusedMultiplyAdd(p, r, T.Broadcast(1f));
        // 2ⁿ⁻¹ twice: 2¹²⁸ alone would be infinite where the result is not.
        T result = (p + p) * T.PowerOfTwo(n - T.Broadcast(1f));
        return T.SelectLess(x, T.Broadcast(-86.6f), T.Zero, result);
    }

    /// <summary>z / (1 + e^{−z}); 0 at −∞, NaN at NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Silu(T z)
    {
        // Below −88 the true value is smaller than 1e-36; the bound keeps the quotient finite.
        T one = T.Broadcast(1f);
        return T.SelectLess(z, T.Broadcast(-87f), T.Zero, z / (one + Exp(T.Zero - z)));
    }

    /// <summary>
    /// ln x: x = 2ⁿ·m with m in [√½, √2), then m − 1 − (m − 1)²/2 and a polynomial of degree 8 times (m − 1)³.
    /// Subnormal numbers are exact inputs too; 0 gives −∞, ∞ gives ∞, negative numbers and NaN give NaN.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Log(T x)
    {
        T one = T.Broadcast(1f), infinity = T.Broadcast(float.PositiveInfinity), smallest = T.Broadcast(1.17549435e-38f);
        T.SplitExponent(T.SelectLess(x, smallest, x * T.Broadcast(8388608f), x), out T m, out T n);
        n = T.SelectLess(x, smallest, n - T.Broadcast(23f), n);
        T upper = T.Broadcast(1.41421354f);
        n = T.SelectLess(m, upper, n, n + one);
        m = T.SelectLess(m, upper, m, m * T.Broadcast(0.5f));
        T f = m - one, square = f * f;
        T p = T.Broadcast(7.0376836e-2f);
        p = T.FusedMultiplyAdd(p, f, T.Broadcast(-1.1514610e-1f));
        p = T.FusedMultiplyAdd(p, f, T.Broadcast(1.1676999e-1f));
        p = T.FusedMultiplyAdd(p, f, T.Broadcast(-1.2420141e-1f));
        p = T.FusedMultiplyAdd(p, f, T.Broadcast(1.4249323e-1f));
        p = T.FusedMultiplyAdd(p, f, T.Broadcast(-1.6668057e-1f));
        p = T.FusedMultiplyAdd(p, f, T.Broadcast(2.0000715e-1f));
        p = T.FusedMultiplyAdd(p, f, T.Broadcast(-2.4999994e-1f));
        p = T.FusedMultiplyAdd(p, f, T.Broadcast(3.3333331e-1f));
        p = p * square * f;
        p = T.FusedMultiplyAdd(n, T.Broadcast(-2.12194440e-4f), p);
        p = T.FusedMultiplyAdd(square, T.Broadcast(-0.5f), p);
        T result = T.FusedMultiplyAdd(n, T.Broadcast(0.693359375f), f + p);
        result = T.SelectLess(x, infinity, result, x);
        return T.SelectLess(T.Zero, x, result, T.SelectLess(x, T.Zero, T.Broadcast(float.NaN), x - infinity));
    }

    /// <summary>The logarithm of one number, the same bits as in a vector.</summary>
    public static float Log(float x) => T.MaxLane(Log(T.Broadcast(x)));

    /// <summary>The exponential of one number, the same bits as in a vector.</summary>
    public static float Exp(float x) => T.MaxLane(Exp(T.Broadcast(x)));
}
