using System.Runtime.Intrinsics.X86;
using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

/// <summary>Every member of every width gives the bits of the scalar lanes, special values included.</summary>
public unsafe class LanesTests
{
    private delegate void Check(Random random);

    private static readonly float[] s_special =
    [
        0, -0f, 1, -1, float.NaN, float.PositiveInfinity, float.NegativeInfinity, float.MaxValue, float.MinValue, float.Epsilon, -float.Epsilon, 1e-40f,
        1.17549435e-38f, 3.3895314e38f, BitConverter.UInt32BitsToSingle(0x7F80_0001), BitConverter.UInt32BitsToSingle(0x3F80_8000),
        BitConverter.UInt32BitsToSingle(0x3F81_8000), BitConverter.UInt32BitsToSingle(0xFFFF_FFFF),
    ];

    public static TheoryData<string> Widths => Avx512F.IsSupported ? new("512", "256", "128") : new("256", "128");

    [Theory]
    [MemberData(nameof(Widths))]
    public void Every_member_gives_the_bits_of_the_scalar_lanes(string width)
    {
        Check check = width switch { "512" => Compare<Lanes512>, "256" => Compare<Lanes256>, _ => Compare<Lanes128> };
        Random random = new(7);
        for (int round = 0; round < 2000; round++)
            check(random);
    }

    private static void Compare<T>(Random random) where T : struct, ILanes<T>
    {
        float* a = stackalloc float[16], b = stackalloc float[16], c = stackalloc float[16], n = stackalloc float[16], positive = stackalloc float[16];
        uint* dwords = stackalloc uint[16];
        for (int i = 0; i < 16; i++)
        {
            a[i] = Number(random);
            b[i] = random.Next(4) == 0 ? a[i] : Number(random);
            c[i] = Number(random);
            n[i] = random.Next(-127, 129);
            positive[i] = BitConverter.UInt32BitsToSingle((uint)random.Next(0x0080_0000, 0x7F80_0000));
            dwords[i] = (uint)random.NextInt64(1L << 32);
        }
        T x = T.Load(a), y = T.Load(b), z = T.Load(c);
        LanesScalar p = LanesScalar.Load(a), q = LanesScalar.Load(b), r = LanesScalar.Load(c);
        Same(LanesScalar.Zero, T.Zero);
        Same(LanesScalar.Broadcast(a[3]), T.Broadcast(a[3]));
        Same(p + q, x + y);
        Same(p - q, x - y);
        Same(p * q, x * y);
        Same(p / q, x / y);
        Same(LanesScalar.FusedMultiplyAdd(p, q, r), T.FusedMultiplyAdd(x, y, z));
        Same(LanesScalar.Max(p, q), T.Max(x, y));
        Same(LanesScalar.Min(p, q), T.Min(x, y));
        Same(LanesScalar.SelectLess(p, q, r, p), T.SelectLess(x, y, z, x));
        Same(LanesScalar.PowerOfTwo(LanesScalar.Load(n)), T.PowerOfTwo(T.Load(n)));
        LanesScalar.SplitExponent(LanesScalar.Load(positive), out LanesScalar m0, out LanesScalar e0);
        T.SplitExponent(T.Load(positive), out T m1, out T e1);
        Same(m0, m1);
        Same(e0, e1);
        Same(LanesScalar.Sum(p), T.Sum(x));
        Same(LanesScalar.Sum(r * LanesScalar.Broadcast(1e-3f)), T.Sum(z * T.Broadcast(1e-3f)));
        Same(LanesScalar.MaxLane(p), T.MaxLane(x));

        ushort* halves0 = stackalloc ushort[16], halves1 = stackalloc ushort[16];
        LanesScalar.StoreBFloat16(p, halves0);
        T.StoreBFloat16(x, halves1);
        for (int i = 0; i < 16; i++)
            Assert.Equal(BFloat16.FromSingle(a[i]).Bits, halves1[i]);
        Same(LanesScalar.LoadBFloat16(halves0), T.LoadBFloat16(halves1));
        LanesScalar.LoadBFloat16Pairs(dwords, out LanesScalar l0, out LanesScalar h0);
        T.LoadBFloat16Pairs(dwords, out T l1, out T h1);
        Same(l0, l1);
        Same(h0, h1);
        LanesScalar.LoadFloat16Pairs(dwords, out l0, out h0);
        T.LoadFloat16Pairs(dwords, out l1, out h1);
        Same(l0, l1);
        Same(h0, h1);
        LanesScalar.LoadE4M3Quads(dwords, out LanesScalar u0, out LanesScalar u1, out LanesScalar u2, out LanesScalar u3);
        T.LoadE4M3Quads(dwords, out T v0, out T v1, out T v2, out T v3);
        Same(u0, v0);
        Same(u1, v1);
        Same(u2, v2);
        Same(u3, v3);
        Same(LaneMath<LanesScalar>.Exp(p), LaneMath<T>.Exp(x));
        Same(LaneMath<LanesScalar>.Silu(p), LaneMath<T>.Silu(x));
        Same(LaneMath<LanesScalar>.Log(p), LaneMath<T>.Log(x));

        int count = random.Next(17);
        Same(LaneTail<LanesScalar>.Load(a, count, -1), LaneTail<T>.Load(a, count, -1));
        LaneTail<T>.Store(x, c, count);
        for (int i = 0; i < 16; i++)
            Same(i < count ? a[i] : r[i], c[i]);
    }

    private static float Number(Random random) => random.Next(3) switch
    {
        0 => s_special[random.Next(s_special.Length)],
        1 => (float)((random.NextDouble() - 0.5) * Math.Pow(10, random.Next(-3, 4))),
        _ => BitConverter.UInt32BitsToSingle((uint)random.NextInt64(1L << 32)),
    };

    private static void Same<T>(LanesScalar want, T got) where T : struct, ILanes<T>
    {
        float* lanes = stackalloc float[16];
        T.Store(got, lanes);
        for (int i = 0; i < 16; i++)
            Same(want[i], lanes[i]);
    }

    private static void Same(float want, float got) =>
        Assert.True(BitConverter.SingleToInt32Bits(want) == BitConverter.SingleToInt32Bits(got) || (float.IsNaN(want) && float.IsNaN(got)), $"got {got:R}, want {want:R}");
}
