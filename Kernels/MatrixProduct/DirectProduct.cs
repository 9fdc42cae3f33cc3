using System.Runtime.CompilerServices;

namespace Mellum2.Managed.Kernels;

/// <summary>A panel of weights and its factors.</summary>
internal unsafe struct PanelView
{
    /// <summary>The dwords, [⌈K / g⌉][<see cref="Width"/>].</summary>
    public uint* Weights;

    /// <summary>The rows, padding included.</summary>
    public int Width;

    /// <summary>The columns K.</summary>
    public int Columns;

    /// <summary>The factors, [blocks] or [blocks][panel rows]; null where there are none.</summary>
    public float* Scales;

    /// <summary>How many blocks of columns have factors.</summary>
    public int ScaleBlocks;

    /// <summary>The factors of a block: one for all rows, or one for each.</summary>
    public int ScaleStep;

    /// <summary>The column after the last of scale block <paramref name="block"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly int BlockEnd(int block) =>
        block == ScaleBlocks - 1 ? Columns : (block + 1) * WeightScales.BlockSize;

    /// <summary>The factors of the sixteen rows from <paramref name="lane"/> in scale block <paramref name="block"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly T Scale<T, TFormat>(int block, int lane) where T : struct, ILanes<T> where TFormat : struct, IWeightFormat<T>
    {
        T factor = T.Broadcast(TFormat.ScaleFactor);
        if (Scales == null)
            return factor;
        float* scales = Scales + (long)block * ScaleStep;
        return factor * (ScaleStep == 1 ? T.Broadcast(*scales) : T.Load(scales + lane));
    }
}

/// <summary>
/// Products of one to four rows with a panel, decoded as it streams by: what decoding a token runs on. Each result is
/// one chain over rising k; the four vectors of a panel are four independent chains for each row.
/// </summary>
internal static unsafe class DirectProduct<T, TFormat> where T : struct, ILanes<T> where TFormat : struct, IWeightFormat<T>
{
    /// <summary>How many rows of x a call takes: with sixteen registers, more than one would spill.</summary>
    public static int MaxRows => T.Accumulators >= 28 ? 4 : 1;

    /// <summary>y[r][n] = Σ x[r][k]·w[n, k] for the rows n of the panel, padding included.</summary>
    /// <param name="panel">The panel.</param>
    /// <param name="x">The rows of activations.</param>
    /// <param name="count">How many there are, at most <see cref="MaxRows"/>.</param>
    /// <param name="y">The first result.</param>
    /// <param name="stride">The distance of result rows.</param>
    public static void Run(in PanelView panel, float** x, int count, float* y, long stride)
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
            float* scratch = stackalloc float[4 * PanelLayout.Lanes];
            FourRows(in panel, x[0], x[1], x[2], x[count - 1], y, y + stride, y + 2 * stride, count == 4 ? y + 3 * stride : scratch);
        }
        int whole = panel.Columns / TFormat.Group * TFormat.Group;
        if (whole < panel.Columns)
        {
            for (int r = 0; r < count; r++)
                for (int lane = 0; lane < panel.Width; lane += PanelLayout.Lanes)
                    Tail(in panel, lane, whole, x[r], y + r * stride + lane);
        }
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
                w += 64;
            }
        }
        Store(y0, c00, c01, c02, c03);
        Store(y1, c10, c11, c12, c13);
    }

    private static void FourRows(in PanelView panel, float* x0, float* x1, float* x2, float* x3, float* y0, float* y1, float* y2, float* y3)
    {
        T c00 = T.Zero, c01 = T.Zero, c02 = T.Zero, c03 = T.Zero;
        T c10 = T.Zero, c11 = T.Zero, c12 = T.Zero, c13 = T.Zero;
        T c20 = T.Zero, c21 = T.Zero, c22 = T.Zero, c23 = T.Zero;
        T c30 = T.Zero, c31 = T.Zero, c32 = T.Zero, c33 = T.Zero;
        uint* w = panel.Weights;
        int k = 0;
        for (int block = 0; block < panel.ScaleBlocks; block++)
        {
            T s0 = panel.Scale<T, TFormat>(block, 0), s1 = panel.Scale<T, TFormat>(block, 16);
            T s2 = panel.Scale<T, TFormat>(block, 32), s3 = panel.Scale<T, TFormat>(block, 48);
            int end = panel.BlockEnd(block);
            for (; k + TFormat.Group <= end; k += TFormat.Group)
            {
                Multiply(w, s0, x0 + k, x1 + k, x2 + k, x3 + k, ref c00, ref c10, ref c20, ref c30);
                Multiply(w + 16, s1, x0 + k, x1 + k, x2 + k, x3 + k, ref c01, ref c11, ref c21, ref c31);
                Multiply(w + 32, s2, x0 + k, x1 + k, x2 + k, x3 + k, ref c02, ref c12, ref c22, ref c32);
                Multiply(w + 48, s3, x0 + k, x1 + k, x2 + k, x3 + k, ref c03, ref c13, ref c23, ref c33);
                w += 64;
            }
        }
        Store(y0, c00, c01, c02, c03);
        Store(y1, c10, c11, c12, c13);
        Store(y2, c20, c21, c22, c23);
        Store(y3, c30, c31, c32, c33);
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
    private static void Multiply(uint* w, T scale, float* x0, float* x1, float* x2, float* x3, ref T c0, ref T c1, ref T c2, ref T c3)
    {
        TFormat.Decode(w, scale, out T w0, out T w1, out T w2, out T w3);
        Add(x0, w0, w1, w2, w3, ref c0);
        Add(x1, w0, w1, w2, w3, ref c1);
        Add(x2, w0, w1, w2, w3, ref c2);
        Add(x3, w0, w1, w2, w3, ref c3);
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
    private static void Store(float* y, T c0, T c1, T c2, T c3)
    {
        T.Store(c0, y);
        T.Store(c1, y + 16);
        T.Store(c2, y + 32);
        T.Store(c3, y + 48);
    }
}
