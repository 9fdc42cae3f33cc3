using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Mellum2.Managed.Kernels;

/// <summary>Moves dwords from rows to columns, in blocks of four or, with AVX-512, sixteen; used to pack activations and weights.</summary>
internal static unsafe class Transposition
{
    private const int AheadDwords = 128;

    /// <summary>target[k][r] = rows[r][k] for r below <paramref name="count"/>, k below <paramref name="length"/>.</summary>
    /// <param name="rows">The source rows.</param>
    /// <param name="count">How many there are.</param>
    /// <param name="length">The dwords of a row.</param>
    /// <param name="target">The first dword to write.</param>
    /// <param name="stride">The dwords from one k to the next.</param>
    public static void Run(uint** rows, int count, int length, uint* target, int stride)
    {
        int r = 0;
        if (Avx512F.IsSupported && length >= 16)
        {
            for (; r + 16 <= count; r += 16)
                Rest(rows + r, 16, Sixteen(rows + r, 16, length, target + r, stride), length, target + r, stride);
            // Where the rows of the target are as short as this, what a vector has too much falls into the next one.
            if (r == 0 && count > 8 && count == stride)
            {
                Rest(rows, count, Sixteen(rows, count, length - 1, target, stride), length, target, stride);
                return;
            }
        }
        Rest(rows + r, count - r, 0, length, target + r, stride);
    }

    // The dwords of each row from begin on.
    private static void Rest(uint** rows, int count, int begin, int length, uint* target, int stride)
    {
        if (begin == length)
            return;
        target += (long)begin * stride;
        int r = 0;
        for (; r + 4 <= count; r += 4)
            Four(rows[r] + begin, rows[r + 1] + begin, rows[r + 2] + begin, rows[r + 3] + begin, length - begin, target + r, stride);
        if (r + 2 <= count)
        {
            Two(rows[r] + begin, rows[r + 1] + begin, length - begin, target + r, stride);
            r += 2;
        }
        for (; r < count; r++)
            for (int k = begin; k < length; k++)
                target[(long)(k - begin) * stride + r] = rows[r][k];
    }

    // Blocks of 16 × 16; returns how many dwords of each row are done. Of fewer rows the last one stands in for those that
    // are missing.
    private static int Sixteen(uint** rows, int count, int length, uint* target, int stride)
    {
        uint** row = stackalloc uint*[16];
        for (int r = 0; r < 16; r++)
            row[r] = rows[Math.Min(r, count - 1)];
        int k = 0;
        for (; k + 16 <= length; k += 16)
        {
            Quads(row, k, out Vector512<uint> a0, out Vector512<uint> a1, out Vector512<uint> a2, out Vector512<uint> a3);
            Quads(row + 4, k, out Vector512<uint> b0, out Vector512<uint> b1, out Vector512<uint> b2, out Vector512<uint> b3);
            Quads(row + 8, k, out Vector512<uint> c0, out Vector512<uint> c1, out Vector512<uint> c2, out Vector512<uint> c3);
            Quads(row + 12, k, out Vector512<uint> d0, out Vector512<uint> d1, out Vector512<uint> d2, out Vector512<uint> d3);
            // In the order of the target: a vector may be longer than a row there.
            Columns(a0, b0, c0, d0, out Vector512<uint> k0, out Vector512<uint> k4, out Vector512<uint> k8, out Vector512<uint> k12);
            Columns(a1, b1, c1, d1, out Vector512<uint> k1, out Vector512<uint> k5, out Vector512<uint> k9, out Vector512<uint> k13);
            Columns(a2, b2, c2, d2, out Vector512<uint> k2, out Vector512<uint> k6, out Vector512<uint> k10, out Vector512<uint> k14);
            Columns(a3, b3, c3, d3, out Vector512<uint> k3, out Vector512<uint> k7, out Vector512<uint> k11, out Vector512<uint> k15);
            target = Store(k0, k1, k2, k3, target, stride);
            target = Store(k4, k5, k6, k7, target, stride);
            target = Store(k8, k9, k10, k11, target, stride);
            target = Store(k12, k13, k14, k15, target, stride);
        }
        return k;
    }

    // Four rows of sixteen: quad q of result j holds dword 4q + j of each.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Quads(uint** row, int k, out Vector512<uint> q0, out Vector512<uint> q1, out Vector512<uint> q2, out Vector512<uint> q3)
    {
        // Rows are often far apart and cold.
        Prefetch.TwoRows(row[0] + k + AheadDwords, row[1] + k + AheadDwords);
        Prefetch.TwoRows(row[2] + k + AheadDwords, row[3] + k + AheadDwords);
        Vector512<uint> r0 = Vector512.Load(row[0] + k), r1 = Vector512.Load(row[1] + k);
        Vector512<uint> r2 = Vector512.Load(row[2] + k), r3 = Vector512.Load(row[3] + k);
        Vector512<ulong> low01 = Avx512F.UnpackLow(r0, r1).AsUInt64(), high01 = Avx512F.UnpackHigh(r0, r1).AsUInt64();
        Vector512<ulong> low23 = Avx512F.UnpackLow(r2, r3).AsUInt64(), high23 = Avx512F.UnpackHigh(r2, r3).AsUInt64();
        q0 = Avx512F.UnpackLow(low01, low23).AsUInt32();
        q1 = Avx512F.UnpackHigh(low01, low23).AsUInt32();
        q2 = Avx512F.UnpackLow(high01, high23).AsUInt32();
        q3 = Avx512F.UnpackHigh(high01, high23).AsUInt32();
    }

    // The quads of the same number from four times four rows.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Columns(
        Vector512<uint> a, Vector512<uint> b, Vector512<uint> c, Vector512<uint> d,
        out Vector512<uint> k0, out Vector512<uint> k4, out Vector512<uint> k8, out Vector512<uint> k12)
    {
        Vector512<uint> ab02 = Avx512F.Shuffle4x128(a, b, 0x88), ab13 = Avx512F.Shuffle4x128(a, b, 0xDD);
        Vector512<uint> cd02 = Avx512F.Shuffle4x128(c, d, 0x88), cd13 = Avx512F.Shuffle4x128(c, d, 0xDD);
        k0 = Avx512F.Shuffle4x128(ab02, cd02, 0x88);
        k4 = Avx512F.Shuffle4x128(ab13, cd13, 0x88);
        k8 = Avx512F.Shuffle4x128(ab02, cd02, 0xDD);
        k12 = Avx512F.Shuffle4x128(ab13, cd13, 0xDD);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint* Store(Vector512<uint> a, Vector512<uint> b, Vector512<uint> c, Vector512<uint> d, uint* target, int stride)
    {
        a.Store(target);
        b.Store(target + stride);
        c.Store(target + 2 * stride);
        d.Store(target + 3 * stride);
        return target + 4 * stride;
    }

    private static void Four(uint* r0, uint* r1, uint* r2, uint* r3, int length, uint* target, int stride)
    {
        int k = 0;
        if (Sse2.IsSupported || AdvSimd.Arm64.IsSupported)
        {
            for (; k + 4 <= length; k += 4)
            {
                Vector128<uint> a = Vector128.Load(r0 + k), b = Vector128.Load(r1 + k);
                Vector128<uint> c = Vector128.Load(r2 + k), d = Vector128.Load(r3 + k);
                Vector128<ulong> ab = ZipLow(a, b).AsUInt64(), cd = ZipLow(c, d).AsUInt64();
                Vector128<ulong> abHigh = ZipHigh(a, b).AsUInt64(), cdHigh = ZipHigh(c, d).AsUInt64();
                ZipLow(ab, cd).AsUInt32().Store(target);
                ZipHigh(ab, cd).AsUInt32().Store(target + stride);
                ZipLow(abHigh, cdHigh).AsUInt32().Store(target + 2 * stride);
                ZipHigh(abHigh, cdHigh).AsUInt32().Store(target + 3 * stride);
                target += 4 * stride;
            }
        }
        for (; k < length; k++)
        {
            (target[0], target[1], target[2], target[3]) = (r0[k], r1[k], r2[k], r3[k]);
            target += stride;
        }
    }

    private static void Two(uint* r0, uint* r1, int length, uint* target, int stride)
    {
        for (int k = 0; k < length; k++)
        {
            *(ulong*)target = r0[k] | (ulong)r1[k] << 32;
            target += stride;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> ZipLow(Vector128<uint> a, Vector128<uint> b) =>
        Sse2.IsSupported ? Sse2.UnpackLow(a, b) : AdvSimd.Arm64.ZipLow(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> ZipHigh(Vector128<uint> a, Vector128<uint> b) =>
        Sse2.IsSupported ? Sse2.UnpackHigh(a, b) : AdvSimd.Arm64.ZipHigh(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ulong> ZipLow(Vector128<ulong> a, Vector128<ulong> b) =>
        Sse2.IsSupported ? Sse2.UnpackLow(a, b) : AdvSimd.Arm64.ZipLow(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ulong> ZipHigh(Vector128<ulong> a, Vector128<ulong> b) =>
        Sse2.IsSupported ? Sse2.UnpackHigh(a, b) : AdvSimd.Arm64.ZipHigh(a, b);
}
