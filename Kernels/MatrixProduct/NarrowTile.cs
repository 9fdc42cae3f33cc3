using System.Runtime.CompilerServices;

namespace Mellum2.Managed.Kernels;

/// <summary>
/// <see cref="WideTile{T}"/> with half the columns and up to six rows: what the sixteen registers of 128 and 256 bits hold.
/// </summary>
internal static unsafe class NarrowTile<T> where T : struct, ILanes<T>
{
    /// <summary>The rows of the largest tile.</summary>
    public static int MaxHeight => T.Accumulators >= 6 ? 6 : T.Accumulators >= 3 ? 3 : 1;

    /// <summary>The height of the smallest tile that has room for <paramref name="rows"/> rows.</summary>
    public static int Height(int rows) => rows <= 3 ? rows : 6;

    /// <summary>c = (<paramref name="start"/> ? 0 : c) + aᵀ·b for 32 columns, each element one chain over rising k.</summary>
    public static void Run(int height, int length, float* a, float* b, float* c, long stride, bool start)
    {
        Half(height, length, a, b, c, stride, start);
        Half(height, length, a, b + PanelLayout.Lanes, c + PanelLayout.Lanes, stride, start);
    }

    private static void Half(int height, int length, float* a, float* b, float* c, long stride, bool start)
    {
        switch (height)
        {
            case 6:
                Rows6(length, a, b, c, stride, start);
                break;
            case 3:
                Rows3(length, a, b, c, stride, start);
                break;
            case 2:
                Rows2(length, a, b, c, stride, start);
                break;
            case 1:
                Rows1(length, a, b, c, stride, start);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(height));
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Rows6(int length, float* a, float* b, float* c, long stride, bool start)
    {
        T c00 = T.Zero;
        T c10 = T.Zero;
        T c20 = T.Zero;
        T c30 = T.Zero;
        T c40 = T.Zero;
        T c50 = T.Zero;
        if (!start)
        {
            Load(c, out c00);
            Load(c + stride, out c10);
            Load(c + 2 * stride, out c20);
            Load(c + 3 * stride, out c30);
            Load(c + 4 * stride, out c40);
            Load(c + 5 * stride, out c50);
        }
        for (; length > 0; length--)
        {
            T b0 = T.Load(b);
            Step(a[0], b0, ref c00);
            Step(a[1], b0, ref c10);
            Step(a[2], b0, ref c20);
            Step(a[3], b0, ref c30);
            Step(a[4], b0, ref c40);
            Step(a[5], b0, ref c50);
            a += 6;
            b += PanelLayout.TileColumns;
        }
        Store(c00, c);
        Store(c10, c + stride);
        Store(c20, c + 2 * stride);
        Store(c30, c + 3 * stride);
        Store(c40, c + 4 * stride);
        Store(c50, c + 5 * stride);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Rows3(int length, float* a, float* b, float* c, long stride, bool start)
    {
        T c00 = T.Zero;
        T c10 = T.Zero;
        T c20 = T.Zero;
        if (!start)
        {
            Load(c, out c00);
            Load(c + stride, out c10);
            Load(c + 2 * stride, out c20);
        }
        for (; length > 0; length--)
        {
            T b0 = T.Load(b);
            Step(a[0], b0, ref c00);
            Step(a[1], b0, ref c10);
            Step(a[2], b0, ref c20);
            a += 3;
            b += PanelLayout.TileColumns;
        }
        Store(c00, c);
        Store(c10, c + stride);
        Store(c20, c + 2 * stride);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Rows2(int length, float* a, float* b, float* c, long stride, bool start)
    {
        T c00 = T.Zero;
        T c10 = T.Zero;
        if (!start)
        {
            Load(c, out c00);
            Load(c + stride, out c10);
        }
        for (; length > 0; length--)
        {
            T b0 = T.Load(b);
            Step(a[0], b0, ref c00);
            Step(a[1], b0, ref c10);
            a += 2;
            b += PanelLayout.TileColumns;
        }
        Store(c00, c);
        Store(c10, c + stride);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Rows1(int length, float* a, float* b, float* c, long stride, bool start)
    {
        T c00 = T.Zero;
        if (!start)
        {
            Load(c, out c00);
        }
        for (; length > 0; length--)
        {
            T b0 = T.Load(b);
            Step(a[0], b0, ref c00);
            a += 1;
            b += PanelLayout.TileColumns;
        }
        Store(c00, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Load(float* c, out T c0) => c0 = T.Load(c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step(float a, T b0, ref T c0) => c0 = T.FusedMultiplyAdd(T.Broadcast(a), b0, c0);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(T c0, float* c) => T.Store(c0, c);
}
