using System.Runtime.CompilerServices;

namespace Mellum2.Managed.Kernels;

/// <summary>
/// Products of a few rows with a panel, decoded as it streams by: what decoding a token runs on. Each result is one
/// chain over rising k; the four vectors of a panel are four independent chains for each row.
/// </summary>
internal static unsafe partial class DirectProduct<T, TFormat> where T : struct, ILanes<T> where TFormat : struct, IWeightFormat<T>
{
    /// <summary>The most rows of x that a call takes.</summary>
    public const int MaxRows = 64;

    /// <summary>
    /// How many rows of x a call should take: after the first pass, the panel and the rows come from the second-level cache.
    /// </summary>
    public static int Rows(in PanelLayout layout)
    {
        long row = Math.Max(layout.Columns, 1) * (long)sizeof(float);
        return (int)Math.Clamp((CacheBytes - PanelBytes(in layout)) / row / WidePassRows * WidePassRows, WidePassRows, MaxRows);
    }

    /// <summary>
    /// Up to how many rows this is faster than packing them: any number where decoding is next to nothing and a panel stays
    /// in the second-level cache, else until decoding once for many rows pays for packing them.
    /// </summary>
    public static int Limit(in PanelLayout layout)
    {
        bool shift = TFormat.Group == 2 && TFormat.ScaleFactor == 1;
        if (PassRows == 1)
            return shift ? 6 : 2;
        return shift && PanelBytes(in layout) <= CacheBytes * 2 / 5 ? int.MaxValue : 16;
    }

    // With sixteen registers, more than one row would spill.
    private static int PassRows => T.Accumulators >= 28 ? WidePassRows : 1;

    private const int WidePassRows = 8;

    // A block of columns and the one that is fetched meanwhile are in the first- or second-level cache.
    private const int BlockColumns = 256;

    // How far ahead of its use a stream of weights is fetched, as measured.
    private const int AheadDwords = 1536;

    // What panel and rows may have of a second-level cache of 1 MiB.
    private const int CacheBytes = 960 << 10;

    /// <summary>y[r][n] = Σ x[r][k]·w[n, k] for the rows n of the panel, padding included.</summary>
    /// <param name="panel">The panel.</param>
    /// <param name="x">The rows of activations.</param>
    /// <param name="count">How many there are, at most <see cref="MaxRows"/>.</param>
    /// <param name="y">The first result.</param>
    /// <param name="stride">The distance of result rows.</param>
    public static void Run(in PanelView panel, float** x, int count, float* y, long stride)
    {
        for (int first = 0; first < count; first += PassRows)
            Pass(in panel, x + first, Math.Min(PassRows, count - first), y + first * stride, stride);
        int whole = panel.Columns / TFormat.Group * TFormat.Group;
        if (whole < panel.Columns)
        {
            for (int r = 0; r < count; r++)
                for (int lane = 0; lane < panel.Width; lane += PanelLayout.Lanes)
                    Tail(in panel, lane, whole, x[r], y + r * stride + lane);
        }
    }

    private static long PanelBytes(in PanelLayout layout) => (long)layout.PanelRows * layout.Dwords * sizeof(uint);

    private static void Pass(in PanelView panel, float** x, int count, float* y, long stride)
    {
        if (panel.Width < 4 * PanelLayout.Lanes)
        {
            for (int r = 0; r < count; r++)
                for (int lane = 0; lane < panel.Width; lane += PanelLayout.Lanes)
                    Column(in panel, lane, x[r], y + r * stride + lane);
        }
        else if (count == 1)
        {
            Row(in panel, x[0], y);
        }
        else if (count == 2)
        {
            TwoRows(in panel, x[0], x[1], y, y + stride);
        }
        else
        {
            Filled(in panel, x, count, y, stride);
        }
    }

    // Three rows are four, five are six and seven are eight, of which the last ones are dropped. Both halves of the panel take
    // one block of columns before either takes the next, so that weights come from memory as one stream.
    private static void Filled(in PanelView panel, float** x, int count, float* y, long stride)
    {
        const int Width = 4 * PanelLayout.Lanes, Half = 2 * PanelLayout.Lanes;
        int rows = count <= 4 ? 4 : count <= 6 ? 6 : WidePassRows;
        float** filled = stackalloc float*[rows];
        float* aside = stackalloc float[rows * Width];
        float* sums = count == rows ? y : aside;
        long distance = count == rows ? stride : Width;
        for (int r = 0; r < rows; r++)
            filled[r] = x[Math.Min(r, count - 1)];
        int whole = panel.Columns / TFormat.Group * TFormat.Group;
        for (int begin = 0, block = 0; begin < whole || block == 0; begin += BlockColumns, block++)
        {
            int end = Math.Min(begin + BlockColumns, whole);
            uint* next = panel.At(end);
            if (rows == 4)
            {
                FourRows(in panel, 0, begin, end, filled, sums, distance, next);
                FourRows(in panel, Half, begin, end, filled, sums + Half, distance, next + (next - panel.At(begin)) / 2);
            }
            else if (rows == 6)
            {
                SixRows(in panel, 0, begin, end, filled, sums, distance, next);
                SixRows(in panel, Half, begin, end, filled, sums + Half, distance, next + (next - panel.At(begin)) / 2);
            }
            else
            {
                EightRows(in panel, 0, begin, end, filled, sums, distance, next);
                EightRows(in panel, Half, begin, end, filled, sums + Half, distance, next + (next - panel.At(begin)) / 2);
            }
        }
        for (int r = 0; r < count && sums == aside; r++)
            for (int lane = 0; lane < Width; lane += PanelLayout.Lanes)
                T.Store(T.Load(aside + r * Width + lane), y + r * stride + lane);
    }

    // The columns of the last, incomplete group: padding takes no part in a chain.
    private static void Tail(in PanelView panel, int lane, int k, float* x, float* y)
    {
        T scale = panel.Scale<T, TFormat>(panel.ScaleBlocks - 1, lane);
        TFormat.Decode(panel.Weights + (long)(k / TFormat.Group) * panel.Width + lane, scale, out T w0, out T w1, out T w2, out _);
        int count = panel.Columns - k;
        T c = T.FusedMultiplyAdd(T.Broadcast(x[k]), w0, T.Load(y));
        if (count > 1)
            c = T.FusedMultiplyAdd(T.Broadcast(x[k + 1]), w1, c);
        if (count > 2)
            c = T.FusedMultiplyAdd(T.Broadcast(x[k + 2]), w2, c);
        T.Store(c, y);
    }

    // Sixteen rows of a panel that has fewer than 64.
    private static void Column(in PanelView panel, int lane, float* x, float* y)
    {
        T c = T.Zero;
        uint* w = panel.Weights + lane;
        int k = 0;
        for (int block = 0; block < panel.ScaleBlocks; block++)
        {
            T scale = panel.Scale<T, TFormat>(block, lane);
            int end = panel.BlockEnd(block);
            for (; k + TFormat.Group <= end; k += TFormat.Group)
            {
                Multiply(w, scale, x + k, ref c);
                w += panel.Width;
            }
        }
        T.Store(c, y);
    }

    private static void Row(in PanelView panel, float* x, float* y)
    {
        T c0 = T.Zero, c1 = T.Zero, c2 = T.Zero, c3 = T.Zero;
        uint* w = panel.Weights;
        int k = 0;
        for (int block = 0; block < panel.ScaleBlocks; block++)
        {
            T s0 = panel.Scale<T, TFormat>(block, 0), s1 = panel.Scale<T, TFormat>(block, 16);
            T s2 = panel.Scale<T, TFormat>(block, 32), s3 = panel.Scale<T, TFormat>(block, 48);
            int end = panel.BlockEnd(block);
            for (; k + TFormat.Group <= end; k += TFormat.Group)
            {
                Multiply(w, s0, x + k, ref c0);
                Multiply(w + 16, s1, x + k, ref c1);
                Multiply(w + 32, s2, x + k, ref c2);
                Multiply(w + 48, s3, x + k, ref c3);
                Prefetch.FourLines(w + AheadDwords);
                w += 64;
            }
        }
        Store(y, c0, c1, c2, c3);
    }

    private static void TwoRows(in PanelView panel, float* x0, float* x1, float* y0, float* y1)
    {
        T c00 = T.Zero, c01 = T.Zero, c02 = T.Zero, c03 = T.Zero;
        T c10 = T.Zero, c11 = T.Zero, c12 = T.Zero, c13 = T.Zero;
        uint* w = panel.Weights;
        int k = 0;
        for (int block = 0; block < panel.ScaleBlocks; block++)
        {
            T s0 = panel.Scale<T, TFormat>(block, 0), s1 = panel.Scale<T, TFormat>(block, 16);
            T s2 = panel.Scale<T, TFormat>(block, 32), s3 = panel.Scale<T, TFormat>(block, 48);
            int end = panel.BlockEnd(block);
            for (; k + TFormat.Group <= end; k += TFormat.Group)
            {
                Multiply(w, s0, x0 + k, x1 + k, ref c00, ref c10);
                Multiply(w + 16, s1, x0 + k, x1 + k, ref c01, ref c11);
                Multiply(w + 32, s2, x0 + k, x1 + k, ref c02, ref c12);
                Multiply(w + 48, s3, x0 + k, x1 + k, ref c03, ref c13);
                Prefetch.FourLines(w + AheadDwords);
                w += 64;
            }
        }
        Store(y0, c00, c01, c02, c03);
        Store(y1, c10, c11, c12, c13);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Multiply(uint* w, T scale, float* x, ref T c)
    {
        TFormat.Decode(w, scale, out T w0, out T w1, out T w2, out T w3);
        Add(x, w0, w1, w2, w3, ref c);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Multiply(uint* w, T scale, float* x0, float* x1, ref T c0, ref T c1)
    {
        TFormat.Decode(w, scale, out T w0, out T w1, out T w2, out T w3);
        Add(x0, w0, w1, w2, w3, ref c0);
        Add(x1, w0, w1, w2, w3, ref c1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(float* x, T w0, T w1, T w2, T w3, ref T c)
    {
        c = T.FusedMultiplyAdd(T.Broadcast(x[0]), w0, c);
        c = T.FusedMultiplyAdd(T.Broadcast(x[1]), w1, c);
        if (TFormat.Group > 2)
        {
            c = T.FusedMultiplyAdd(T.Broadcast(x[2]), w2, c);
            c = T.FusedMultiplyAdd(T.Broadcast(x[3]), w3, c);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(float* x, T u, T v, ref T c0, ref T c1)
    {
        T broadcast = T.Broadcast(*x);
        c0 = T.FusedMultiplyAdd(broadcast, u, c0);
        c1 = T.FusedMultiplyAdd(broadcast, v, c1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Load(float* y, out T c0, out T c1)
    {
        c0 = T.Load(y);
        c1 = T.Load(y + 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* y, T c0, T c1)
    {
        T.Store(c0, y);
        T.Store(c1, y + 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* y, T c0, T c1, T c2, T c3)
    {
        T.Store(c0, y);
        T.Store(c1, y + 16);
        T.Store(c2, y + 32);
        T.Store(c3, y + 48);
    }
}
