using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Mellum2.Managed.Kernels;

/// <summary>Moves dwords from rows to columns, four by four; used to pack activations and weights.</summary>
internal static unsafe class Transposition
{
    /// <summary>target[k][r] = rows[r][k] for r below <paramref name="count"/>, k below <paramref name="length"/>.</summary>
    /// <param name="rows">The source rows.</param>
    /// <param name="count">How many there are.</param>
    /// <param name="length">The dwords of a row.</param>
    /// <param name="target">The first dword to write.</param>
    /// <param name="stride">The dwords from one k to the next.</param>
    public static void Run(uint** rows, int count, int length, uint* target, int stride)
    {
        int r = 0;
        for (; r + 4 <= count; r += 4)
            Four(rows[r], rows[r + 1], rows[r + 2], rows[r + 3], length, target + r, stride);
        if (r + 2 <= count)
        {
            Two(rows[r], rows[r + 1], length, target + r, stride);
            r += 2;
        }
        for (; r < count; r++)
            for (int k = 0; k < length; k++)
                target[(long)k * stride + r] = rows[r][k];
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
