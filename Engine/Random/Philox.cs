using System.Runtime.CompilerServices;

namespace Mellum2.Managed.Engine;

/// <summary>
/// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as
/// 1, 2, 3", SC 2011). A number depends on (seed, position, purpose) alone, so it does not matter in which order or
/// on which thread numbers are drawn, and a resumed run draws what an uninterrupted one would have drawn.
/// </summary>
public static class Philox
{
    /// <summary>Ten rounds of Philox4x32 on a 128-bit counter with a 64-bit key.</summary>
    public static (uint X0, uint X1, uint X2, uint X3) Block(uint c0, uint c1, uint c2, uint c3, uint k0, uint k1)
    {
        for (int round = 0; round < 10; round++)
        {
            ulong p0 = 0xD251_1F53UL * c0;
            ulong p1 = 0xCD9E_8D57UL * c2;
            (c0, c1, c2, c3) = ((uint)(p1 >> 32) ^ c1 ^ k0, (uint)p1, (uint)(p0 >> 32) ^ c3 ^ k1, (uint)p0);
            k0 += 0x9E37_79B9;
            k1 += 0xBB67_AE85;
        }
        return (c0, c1, c2, c3);
    }

    /// <summary>64 random bits for (seed, position, purpose).</summary>
    public static ulong Bits(ulong seed, ulong position, uint purpose)
    {
        var (x0, x1, _, _) = Block((uint)position, (uint)(position >> 32), purpose, 0, (uint)seed, (uint)(seed >> 32));
        return (ulong)x1 << 32 | x0;
    }

    /// <summary>A number in [0, 1), a multiple of 2⁻⁵³, uniform.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Uniform(ulong seed, ulong position, uint purpose) =>
        (Bits(seed, position, purpose) >> 11) * (1.0 / (1UL << 53));

    /// <summary>A standard normal number (Box and Muller).</summary>
    public static double Normal(ulong seed, ulong position, uint purpose)
    {
        var (x0, x1, x2, x3) = Block((uint)position, (uint)(position >> 32), purpose, 1, (uint)seed, (uint)(seed >> 32));
        double u = 1 - (((ulong)x1 << 32 | x0) >> 11) * (1.0 / (1UL << 53));
        double v = (((ulong)x3 << 32 | x2) >> 11) * (1.0 / (1UL << 53));
        return Math.Sqrt(-2 * Math.Log(u)) * Math.Cos(2 * Math.PI * v);
    }
}
