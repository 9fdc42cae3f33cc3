using System.Runtime.CompilerServices;

namespace Mellum2.Managed.Kernels;

/// <summary>
/// Products of a packed tile of rows, a [k][height], and a panel, b [k][32], added to c [height][32]: the accumulators
/// of the whole tile stay in registers, 28 for fourteen rows. For vectors of 512 bits.
/// </summary>
internal static unsafe class WideTile<T> where T : struct, ILanes<T>
{
    /// <summary>The rows of the largest tile.</summary>
    public const int MaxHeight = 14;

    /// <summary>The height of the smallest tile that has room for <paramref name="rows"/> rows.</summary>
    public static int Height(int rows) => rows switch { 1 => 1, 2 => 2, 3 or 4 => 4, 5 or 6 => 6, 7 or 8 => 8, 9 or 10 => 10, _ => MaxHeight };

    /// <summary>c = (<paramref name="start"/> ? 0 : c) + aᵀ·b, each element one chain over rising k.</summary>
    /// <param name="height">The rows of the tile.</param>
    /// <param name="length">The number of k.</param>
    /// <param name="a">The packed rows.</param>
    /// <param name="b">The panel.</param>
    /// <param name="c">The sums.</param>
    /// <param name="stride">The distance of their rows.</param>
    /// <param name="start">Whether the chains begin here, at 0.</param>
    /// <param name="next">What is needed next, brought towards the core meanwhile; any address will do.</param>
    /// <param name="step">How far to go through that for each k.</param>
    public static void Run(int height, int length, float* a, float* b, float* c, long stride, bool start, byte* next, nint step)
    {
        switch (height)
        {
            case 14:
                Rows14(length, a, b, c, stride, start, next, step);
                break;
            case 10:
                Rows10(length, a, b, c, stride, start, next, step);
                break;
            case 8:
                Rows8(length, a, b, c, stride, start, next, step);
                break;
            case 6:
                Rows6(length, a, b, c, stride, start, next, step);
                break;
            case 4:
                Rows4(length, a, b, c, stride, start, next, step);
                break;
            case 2:
                Rows2(length, a, b, c, stride, start, next, step);
                break;
            case 1:
                Rows1(length, a, b, c, stride, start, next, step);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(height));
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Rows14(int length, float* a, float* b, float* c, long stride, bool start, byte* next, nint step)
    {
        T c00 = T.Zero, c01 = T.Zero;
        T c10 = T.Zero, c11 = T.Zero;
        T c20 = T.Zero, c21 = T.Zero;
        T c30 = T.Zero, c31 = T.Zero;
        T c40 = T.Zero, c41 = T.Zero;
        T c50 = T.Zero, c51 = T.Zero;
        T c60 = T.Zero, c61 = T.Zero;
        T c70 = T.Zero, c71 = T.Zero;
        T c80 = T.Zero, c81 = T.Zero;
        T c90 = T.Zero, c91 = T.Zero;
        T ca0 = T.Zero, ca1 = T.Zero;
        T cb0 = T.Zero, cb1 = T.Zero;
        T cc0 = T.Zero, cc1 = T.Zero;
        T cd0 = T.Zero, cd1 = T.Zero;
        if (!start)
        {
            Load(c, out c00, out c01);
            Load(c + stride, out c10, out c11);
            Load(c + 2 * stride, out c20, out c21);
            Load(c + 3 * stride, out c30, out c31);
            Load(c + 4 * stride, out c40, out c41);
            Load(c + 5 * stride, out c50, out c51);
            Load(c + 6 * stride, out c60, out c61);
            Load(c + 7 * stride, out c70, out c71);
            Load(c + 8 * stride, out c80, out c81);
            Load(c + 9 * stride, out c90, out c91);
            Load(c + 10 * stride, out ca0, out ca1);
            Load(c + 11 * stride, out cb0, out cb1);
            Load(c + 12 * stride, out cc0, out cc1);
            Load(c + 13 * stride, out cd0, out cd1);
        }
        for (; length > 0; length--)
        {
            T b0 = T.Load(b), b1 = T.Load(b + PanelLayout.Lanes);
            Step(a[0], b0, b1, ref c00, ref c01);
            Step(a[1], b0, b1, ref c10, ref c11);
            Step(a[2], b0, b1, ref c20, ref c21);
            Step(a[3], b0, b1, ref c30, ref c31);
            Step(a[4], b0, b1, ref c40, ref c41);
            Step(a[5], b0, b1, ref c50, ref c51);
            Step(a[6], b0, b1, ref c60, ref c61);
            Step(a[7], b0, b1, ref c70, ref c71);
            Step(a[8], b0, b1, ref c80, ref c81);
            Step(a[9], b0, b1, ref c90, ref c91);
            Step(a[10], b0, b1, ref ca0, ref ca1);
            Step(a[11], b0, b1, ref cb0, ref cb1);
            Step(a[12], b0, b1, ref cc0, ref cc1);
            Step(a[13], b0, b1, ref cd0, ref cd1);
            a += 14;
            b += PanelLayout.TileColumns;
            Prefetch.Far(next);
            next += step;
        }
        Store(c00, c01, c);
        Store(c10, c11, c + stride);
        Store(c20, c21, c + 2 * stride);
        Store(c30, c31, c + 3 * stride);
        Store(c40, c41, c + 4 * stride);
        Store(c50, c51, c + 5 * stride);
        Store(c60, c61, c + 6 * stride);
        Store(c70, c71, c + 7 * stride);
        Store(c80, c81, c + 8 * stride);
        Store(c90, c91, c + 9 * stride);
        Store(ca0, ca1, c + 10 * stride);
        Store(cb0, cb1, c + 11 * stride);
        Store(cc0, cc1, c + 12 * stride);
        Store(cd0, cd1, c + 13 * stride);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Rows10(int length, float* a, float* b, float* c, long stride, bool start, byte* next, nint step)
    {
        T c00 = T.Zero, c01 = T.Zero;
        T c10 = T.Zero, c11 = T.Zero;
        T c20 = T.Zero, c21 = T.Zero;
        T c30 = T.Zero, c31 = T.Zero;
        T c40 = T.Zero, c41 = T.Zero;
        T c50 = T.Zero, c51 = T.Zero;
        T c60 = T.Zero, c61 = T.Zero;
        T c70 = T.Zero, c71 = T.Zero;
        T c80 = T.Zero, c81 = T.Zero;
        T c90 = T.Zero, c91 = T.Zero;
        if (!start)
        {
            Load(c, out c00, out c01);
            Load(c + stride, out c10, out c11);
            Load(c + 2 * stride, out c20, out c21);
            Load(c + 3 * stride, out c30, out c31);
            Load(c + 4 * stride, out c40, out c41);
            Load(c + 5 * stride, out c50, out c51);
            Load(c + 6 * stride, out c60, out c61);
            Load(c + 7 * stride, out c70, out c71);
            Load(c + 8 * stride, out c80, out c81);
            Load(c + 9 * stride, out c90, out c91);
        }
        for (; length > 0; length--)
        {
            T b0 = T.Load(b), b1 = T.Load(b + PanelLayout.Lanes);
            Step(a[0], b0, b1, ref c00, ref c01);
            Step(a[1], b0, b1, ref c10, ref c11);
            Step(a[2], b0, b1, ref c20, ref c21);
            Step(a[3], b0, b1, ref c30, ref c31);
            Step(a[4], b0, b1, ref c40, ref c41);
            Step(a[5], b0, b1, ref c50, ref c51);
            Step(a[6], b0, b1, ref c60, ref c61);
            Step(a[7], b0, b1, ref c70, ref c71);
            Step(a[8], b0, b1, ref c80, ref c81);
            Step(a[9], b0, b1, ref c90, ref c91);
            a += 10;
            b += PanelLayout.TileColumns;
            Prefetch.Far(next);
            next += step;
        }
        Store(c00, c01, c);
        Store(c10, c11, c + stride);
        Store(c20, c21, c + 2 * stride);
        Store(c30, c31, c + 3 * stride);
        Store(c40, c41, c + 4 * stride);
        Store(c50, c51, c + 5 * stride);
        Store(c60, c61, c + 6 * stride);
        Store(c70, c71, c + 7 * stride);
        Store(c80, c81, c + 8 * stride);
        Store(c90, c91, c + 9 * stride);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Rows8(int length, float* a, float* b, float* c, long stride, bool start, byte* next, nint step)
    {
        T c00 = T.Zero, c01 = T.Zero;
        T c10 = T.Zero, c11 = T.Zero;
        T c20 = T.Zero, c21 = T.Zero;
        T c30 = T.Zero, c31 = T.Zero;
        T c40 = T.Zero, c41 = T.Zero;
        T c50 = T.Zero, c51 = T.Zero;
        T c60 = T.Zero, c61 = T.Zero;
        T c70 = T.Zero, c71 = T.Zero;
        if (!start)
        {
            Load(c, out c00, out c01);
            Load(c + stride, out c10, out c11);
            Load(c + 2 * stride, out c20, out c21);
            Load(c + 3 * stride, out c30, out c31);
            Load(c + 4 * stride, out c40, out c41);
            Load(c + 5 * stride, out c50, out c51);
            Load(c + 6 * stride, out c60, out c61);
            Load(c + 7 * stride, out c70, out c71);
        }
        for (; length > 0; length--)
        {
            T b0 = T.Load(b), b1 = T.Load(b + PanelLayout.Lanes);
            Step(a[0], b0, b1, ref c00, ref c01);
            Step(a[1], b0, b1, ref c10, ref c11);
            Step(a[2], b0, b1, ref c20, ref c21);
            Step(a[3], b0, b1, ref c30, ref c31);
            Step(a[4], b0, b1, ref c40, ref c41);
            Step(a[5], b0, b1, ref c50, ref c51);
            Step(a[6], b0, b1, ref c60, ref c61);
            Step(a[7], b0, b1, ref c70, ref c71);
            a += 8;
            b += PanelLayout.TileColumns;
            Prefetch.Far(next);
            next += step;
        }
        Store(c00, c01, c);
        Store(c10, c11, c + stride);
        Store(c20, c21, c + 2 * stride);
        Store(c30, c31, c + 3 * stride);
        Store(c40, c41, c + 4 * stride);
        Store(c50, c51, c + 5 * stride);
        Store(c60, c61, c + 6 * stride);
        Store(c70, c71, c + 7 * stride);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Rows6(int length, float* a, float* b, float* c, long stride, bool start, byte* next, nint step)
    {
        T c00 = T.Zero, c01 = T.Zero;
        T c10 = T.Zero, c11 = T.Zero;
        T c20 = T.Zero, c21 = T.Zero;
        T c30 = T.Zero, c31 = T.Zero;
        T c40 = T.Zero, c41 = T.Zero;
        T c50 = T.Zero, c51 = T.Zero;
        if (!start)
        {
            Load(c, out c00, out c01);
            Load(c + stride, out c10, out c11);
            Load(c + 2 * stride, out c20, out c21);
            Load(c + 3 * stride, out c30, out c31);
            Load(c + 4 * stride, out c40, out c41);
            Load(c + 5 * stride, out c50, out c51);
        }
        for (; length > 0; length--)
        {
            T b0 = T.Load(b), b1 = T.Load(b + PanelLayout.Lanes);
            Step(a[0], b0, b1, ref c00, ref c01);
            Step(a[1], b0, b1, ref c10, ref c11);
            Step(a[2], b0, b1, ref c20, ref c21);
            Step(a[3], b0, b1, ref c30, ref c31);
            Step(a[4], b0, b1, ref c40, ref c41);
            Step(a[5], b0, b1, ref c50, ref c51);
            a += 6;
            b += PanelLayout.TileColumns;
            Prefetch.Far(next);
            next += step;
        }
        Store(c00, c01, c);
        Store(c10, c11, c + stride);
        Store(c20, c21, c + 2 * stride);
        Store(c30, c31, c + 3 * stride);
        Store(c40, c41, c + 4 * stride);
        Store(c50, c51, c + 5 * stride);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Rows4(int length, float* a, float* b, float* c, long stride, bool start, byte* next, nint step)
    {
        T c00 = T.Zero, c01 = T.Zero;
        T c10 = T.Zero, c11 = T.Zero;
        T c20 = T.Zero, c21 = T.Zero;
        T c30 = T.Zero, c31 = T.Zero;
        if (!start)
        {
            Load(c, out c00, out c01);
            Load(c + stride, out c10, out c11);
            Load(c + 2 * stride, out c20, out c21);
            Load(c + 3 * stride, out c30, out c31);
        }
        for (; length > 0; length--)
        {
            T b0 = T.Load(b), b1 = T.Load(b + PanelLayout.Lanes);
            Step(a[0], b0, b1, ref c00, ref c01);
            Step(a[1], b0, b1, ref c10, ref c11);
            Step(a[2], b0, b1, ref c20, ref c21);
            Step(a[3], b0, b1, ref c30, ref c31);
            a += 4;
            b += PanelLayout.TileColumns;
            Prefetch.Far(next);
            next += step;
        }
        Store(c00, c01, c);
        Store(c10, c11, c + stride);
        Store(c20, c21, c + 2 * stride);
        Store(c30, c31, c + 3 * stride);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Rows2(int length, float* a, float* b, float* c, long stride, bool start, byte* next, nint step)
    {
        T c00 = T.Zero, c01 = T.Zero;
        T c10 = T.Zero, c11 = T.Zero;
        if (!start)
        {
            Load(c, out c00, out c01);
            Load(c + stride, out c10, out c11);
        }
        for (; length > 0; length--)
        {
            T b0 = T.Load(b), b1 = T.Load(b + PanelLayout.Lanes);
            Step(a[0], b0, b1, ref c00, ref c01);
            Step(a[1], b0, b1, ref c10, ref c11);
            a += 2;
            b += PanelLayout.TileColumns;
            Prefetch.Far(next);
            next += step;
        }
        Store(c00, c01, c);
        Store(c10, c11, c + stride);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Rows1(int length, float* a, float* b, float* c, long stride, bool start, byte* next, nint step)
    {
        T c00 = T.Zero, c01 = T.Zero;
        if (!start)
        {
            Load(c, out c00, out c01);
        }
        for (; length > 0; length--)
        {
            T b0 = T.Load(b), b1 = T.Load(b + PanelLayout.Lanes);
            Step(a[0], b0, b1, ref c00, ref c01);
            a += 1;
            b += PanelLayout.TileColumns;
            Prefetch.Far(next);
            next += step;
        }
        Store(c00, c01, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Load(float* c, out T c0, out T c1)
    {
        c0 = T.Load(c);
        c1 = T.Load(c + PanelLayout.Lanes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step(float a, T b0, T b1, ref T c0, ref T c1)
    {
        T broadcast = T.Broadcast(a);
        c0 = T.FusedMultiplyAdd(broadcast, b0, c0);
        c1 = T.FusedMultiplyAdd(broadcast, b1, c1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(T c0, T c1, float* c)
    {
        T.Store(c0, c);
        T.Store(c1, c + PanelLayout.Lanes);
    }
}
