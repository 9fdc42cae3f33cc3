namespace Mellum2.Managed.Kernels;

/// <content>Passes of four, six and eight rows.</content>
internal static unsafe partial class DirectProduct<T, TFormat>
{
    // A block of columns by two vectors of rows: a broadcast activation serves both at once, and nothing has to leave the
    // registers. Half of the weights from next on are fetched meanwhile.
    private static void FourRows(in PanelView panel, int lane, int begin, int end, float** x, float* y, long stride, uint* next)
    {
        T c00 = T.Zero, c01 = T.Zero;
        T c10 = T.Zero, c11 = T.Zero;
        T c20 = T.Zero, c21 = T.Zero;
        T c30 = T.Zero, c31 = T.Zero;
        if (begin > 0)
        {
            Load(y, out c00, out c01);
            Load(y + stride, out c10, out c11);
            Load(y + 2 * stride, out c20, out c21);
            Load(y + 3 * stride, out c30, out c31);
        }
        float* x0 = x[0] + begin, x1 = x[1] + begin, x2 = x[2] + begin, x3 = x[3] + begin;
        uint* w = panel.At(begin) + lane;
        for (int k = begin, block = panel.ScaleBlock(begin); k < end; block++)
        {
            T s0 = panel.Scale<T, TFormat>(block, lane), s1 = panel.Scale<T, TFormat>(block, lane + 16);
            for (int stop = Math.Min(panel.BlockEnd(block), end); k < stop; k += TFormat.Group)
            {
                TFormat.Decode(w, s0, out T u0, out T u1, out T u2, out T u3);
                TFormat.Decode(w + 16, s1, out T v0, out T v1, out T v2, out T v3);
                Add(x0, u0, v0, ref c00, ref c01);
                Add(x1, u0, v0, ref c10, ref c11);
                Add(x2, u0, v0, ref c20, ref c21);
                Add(x3, u0, v0, ref c30, ref c31);
                Add(x0 + 1, u1, v1, ref c00, ref c01);
                Add(x1 + 1, u1, v1, ref c10, ref c11);
                Add(x2 + 1, u1, v1, ref c20, ref c21);
                Add(x3 + 1, u1, v1, ref c30, ref c31);
                if (TFormat.Group > 2)
                {
                    Add(x0 + 2, u2, v2, ref c00, ref c01);
                    Add(x1 + 2, u2, v2, ref c10, ref c11);
                    Add(x2 + 2, u2, v2, ref c20, ref c21);
                    Add(x3 + 2, u2, v2, ref c30, ref c31);
                    Add(x0 + 3, u3, v3, ref c00, ref c01);
                    Add(x1 + 3, u3, v3, ref c10, ref c11);
                    Add(x2 + 3, u3, v3, ref c20, ref c21);
                    Add(x3 + 3, u3, v3, ref c30, ref c31);
                }
                Prefetch.TwoLines(next);
                next += 32;
                w += 64;
                x0 += TFormat.Group;
                x1 += TFormat.Group;
                x2 += TFormat.Group;
                x3 += TFormat.Group;
            }
        }
        Store(y, c00, c01);
        Store(y + stride, c10, c11);
        Store(y + 2 * stride, c20, c21);
        Store(y + 3 * stride, c30, c31);
    }

    private static void SixRows(in PanelView panel, int lane, int begin, int end, float** x, float* y, long stride, uint* next)
    {
        T c00 = T.Zero, c01 = T.Zero;
        T c10 = T.Zero, c11 = T.Zero;
        T c20 = T.Zero, c21 = T.Zero;
        T c30 = T.Zero, c31 = T.Zero;
        T c40 = T.Zero, c41 = T.Zero;
        T c50 = T.Zero, c51 = T.Zero;
        if (begin > 0)
        {
            Load(y, out c00, out c01);
            Load(y + stride, out c10, out c11);
            Load(y + 2 * stride, out c20, out c21);
            Load(y + 3 * stride, out c30, out c31);
            Load(y + 4 * stride, out c40, out c41);
            Load(y + 5 * stride, out c50, out c51);
        }
        float* x0 = x[0] + begin, x1 = x[1] + begin, x2 = x[2] + begin, x3 = x[3] + begin, x4 = x[4] + begin, x5 = x[5] + begin;
        uint* w = panel.At(begin) + lane;
        for (int k = begin, block = panel.ScaleBlock(begin); k < end; block++)
        {
            T s0 = panel.Scale<T, TFormat>(block, lane), s1 = panel.Scale<T, TFormat>(block, lane + 16);
            for (int stop = Math.Min(panel.BlockEnd(block), end); k < stop; k += TFormat.Group)
            {
                TFormat.Decode(w, s0, out T u0, out T u1, out T u2, out T u3);
                TFormat.Decode(w + 16, s1, out T v0, out T v1, out T v2, out T v3);
                Add(x0, u0, v0, ref c00, ref c01);
                Add(x1, u0, v0, ref c10, ref c11);
                Add(x2, u0, v0, ref c20, ref c21);
                Add(x3, u0, v0, ref c30, ref c31);
                Add(x4, u0, v0, ref c40, ref c41);
                Add(x5, u0, v0, ref c50, ref c51);
                Add(x0 + 1, u1, v1, ref c00, ref c01);
                Add(x1 + 1, u1, v1, ref c10, ref c11);
                Add(x2 + 1, u1, v1, ref c20, ref c21);
                Add(x3 + 1, u1, v1, ref c30, ref c31);
                Add(x4 + 1, u1, v1, ref c40, ref c41);
                Add(x5 + 1, u1, v1, ref c50, ref c51);
                if (TFormat.Group > 2)
                {
                    Add(x0 + 2, u2, v2, ref c00, ref c01);
                    Add(x1 + 2, u2, v2, ref c10, ref c11);
                    Add(x2 + 2, u2, v2, ref c20, ref c21);
                    Add(x3 + 2, u2, v2, ref c30, ref c31);
                    Add(x4 + 2, u2, v2, ref c40, ref c41);
                    Add(x5 + 2, u2, v2, ref c50, ref c51);
                    Add(x0 + 3, u3, v3, ref c00, ref c01);
                    Add(x1 + 3, u3, v3, ref c10, ref c11);
                    Add(x2 + 3, u3, v3, ref c20, ref c21);
                    Add(x3 + 3, u3, v3, ref c30, ref c31);
                    Add(x4 + 3, u3, v3, ref c40, ref c41);
                    Add(x5 + 3, u3, v3, ref c50, ref c51);
                }
                Prefetch.TwoLines(next);
                next += 32;
                w += 64;
                x0 += TFormat.Group;
                x1 += TFormat.Group;
                x2 += TFormat.Group;
                x3 += TFormat.Group;
                x4 += TFormat.Group;
                x5 += TFormat.Group;
            }
        }
        Store(y, c00, c01);
        Store(y + stride, c10, c11);
        Store(y + 2 * stride, c20, c21);
        Store(y + 3 * stride, c30, c31);
        Store(y + 4 * stride, c40, c41);
        Store(y + 5 * stride, c50, c51);
    }

    private static void EightRows(in PanelView panel, int lane, int begin, int end, float** x, float* y, long stride, uint* next)
    {
        T c00 = T.Zero, c01 = T.Zero;
        T c10 = T.Zero, c11 = T.Zero;
        T c20 = T.Zero, c21 = T.Zero;
        T c30 = T.Zero, c31 = T.Zero;
        T c40 = T.Zero, c41 = T.Zero;
        T c50 = T.Zero, c51 = T.Zero;
        T c60 = T.Zero, c61 = T.Zero;
        T c70 = T.Zero, c71 = T.Zero;
        if (begin > 0)
        {
            Load(y, out c00, out c01);
            Load(y + stride, out c10, out c11);
            Load(y + 2 * stride, out c20, out c21);
            Load(y + 3 * stride, out c30, out c31);
            Load(y + 4 * stride, out c40, out c41);
            Load(y + 5 * stride, out c50, out c51);
            Load(y + 6 * stride, out c60, out c61);
            Load(y + 7 * stride, out c70, out c71);
        }
        float* x0 = x[0] + begin, x1 = x[1] + begin, x2 = x[2] + begin, x3 = x[3] + begin, x4 = x[4] + begin, x5 = x[5] + begin, x6 = x[6] + begin, x7 = x[7] + begin;
        uint* w = panel.At(begin) + lane;
        for (int k = begin, block = panel.ScaleBlock(begin); k < end; block++)
        {
            T s0 = panel.Scale<T, TFormat>(block, lane), s1 = panel.Scale<T, TFormat>(block, lane + 16);
            for (int stop = Math.Min(panel.BlockEnd(block), end); k < stop; k += TFormat.Group)
            {
                TFormat.Decode(w, s0, out T u0, out T u1, out T u2, out T u3);
                TFormat.Decode(w + 16, s1, out T v0, out T v1, out T v2, out T v3);
                Add(x0, u0, v0, ref c00, ref c01);
                Add(x1, u0, v0, ref c10, ref c11);
                Add(x2, u0, v0, ref c20, ref c21);
                Add(x3, u0, v0, ref c30, ref c31);
                Add(x4, u0, v0, ref c40, ref c41);
                Add(x5, u0, v0, ref c50, ref c51);
                Add(x6, u0, v0, ref c60, ref c61);
                Add(x7, u0, v0, ref c70, ref c71);
                Add(x0 + 1, u1, v1, ref c00, ref c01);
                Add(x1 + 1, u1, v1, ref c10, ref c11);
                Add(x2 + 1, u1, v1, ref c20, ref c21);
                Add(x3 + 1, u1, v1, ref c30, ref c31);
                Add(x4 + 1, u1, v1, ref c40, ref c41);
                Add(x5 + 1, u1, v1, ref c50, ref c51);
                Add(x6 + 1, u1, v1, ref c60, ref c61);
                Add(x7 + 1, u1, v1, ref c70, ref c71);
                if (TFormat.Group > 2)
                {
                    Add(x0 + 2, u2, v2, ref c00, ref c01);
                    Add(x1 + 2, u2, v2, ref c10, ref c11);
                    Add(x2 + 2, u2, v2, ref c20, ref c21);
                    Add(x3 + 2, u2, v2, ref c30, ref c31);
                    Add(x4 + 2, u2, v2, ref c40, ref c41);
                    Add(x5 + 2, u2, v2, ref c50, ref c51);
                    Add(x6 + 2, u2, v2, ref c60, ref c61);
                    Add(x7 + 2, u2, v2, ref c70, ref c71);
                    Add(x0 + 3, u3, v3, ref c00, ref c01);
                    Add(x1 + 3, u3, v3, ref c10, ref c11);
                    Add(x2 + 3, u3, v3, ref c20, ref c21);
                    Add(x3 + 3, u3, v3, ref c30, ref c31);
                    Add(x4 + 3, u3, v3, ref c40, ref c41);
                    Add(x5 + 3, u3, v3, ref c50, ref c51);
                    Add(x6 + 3, u3, v3, ref c60, ref c61);
                    Add(x7 + 3, u3, v3, ref c70, ref c71);
                }
                Prefetch.TwoLines(next);
                next += 32;
                w += 64;
                x0 += TFormat.Group;
                x1 += TFormat.Group;
                x2 += TFormat.Group;
                x3 += TFormat.Group;
                x4 += TFormat.Group;
                x5 += TFormat.Group;
                x6 += TFormat.Group;
                x7 += TFormat.Group;
            }
        }
        Store(y, c00, c01);
        Store(y + stride, c10, c11);
        Store(y + 2 * stride, c20, c21);
        Store(y + 3 * stride, c30, c31);
        Store(y + 4 * stride, c40, c41);
        Store(y + 5 * stride, c50, c51);
        Store(y + 6 * stride, c60, c61);
        Store(y + 7 * stride, c70, c71);
    }
}
