using System.Runtime.CompilerServices;

namespace Mellum2.Managed.Kernels;

/// <summary>
/// Brings a chunk of a panel into the form that tile kernels read, [k][32] float32 for each 32 rows. Another kernel
/// family (integer products, say) plugs in beside <see cref="TiledProduct{T, TSource}"/> with a source of its own.
/// </summary>
internal unsafe interface IPanelSource<T> where T : struct, ILanes<T>
{
    /// <summary>
    /// The columns [begin, end) of <paramref name="panel"/>: as they lie, or decoded into <paramref name="scratch"/>.
    /// The columns of the next 32 rows follow <see cref="TiledProduct{T, TSource}.HalfStride"/> floats later.
    /// </summary>
    static abstract float* Chunk(in PanelView panel, int begin, int end, float* scratch);
}

/// <summary>Float32 panels, used where they lie.</summary>
internal readonly unsafe struct SinglePanels<T> : IPanelSource<T> where T : struct, ILanes<T>
{
    public static float* Chunk(in PanelView panel, int begin, int end, float* scratch) =>
        (float*)panel.Weights + (long)begin * PanelLayout.TileColumns;
}

/// <summary>Panels of a format that is decoded.</summary>
internal readonly unsafe struct DecodedPanels<T, TFormat> : IPanelSource<T>
    where T : struct, ILanes<T>
    where TFormat : struct, IWeightFormat<T>
{
    private const int Stride = PanelLayout.TileColumns;

    public static float* Chunk(in PanelView panel, int begin, int end, float* scratch)
    {
        float* second = scratch + TiledProduct<T, SinglePanels<T>>.HalfStride;
        for (int k = begin; k < end;)
        {
            int block = panel.ScaleBlock(k);
            int stop = Math.Min(panel.BlockEnd(block), end);
            long at = (long)(k - begin) * Stride;
            if (panel.Width == 4 * PanelLayout.Lanes)
                FourColumns(in panel, block, k, stop, scratch + at, second + at);
            else
                for (int lane = 0; lane < panel.Width; lane += PanelLayout.Lanes)
                    Column(in panel, block, lane, k, stop, (lane < Stride ? scratch : second) + at + lane % Stride);
            k = stop;
        }
        return scratch;
    }

    // A last, incomplete group writes up to three columns more than are used; the scratch has room for them.
    private static void FourColumns(in PanelView panel, int block, int begin, int end, float* first, float* second)
    {
        T s0 = panel.Scale<T, TFormat>(block, 0), s1 = panel.Scale<T, TFormat>(block, 16);
        T s2 = panel.Scale<T, TFormat>(block, 32), s3 = panel.Scale<T, TFormat>(block, 48);
        uint* w = panel.Weights + (long)(begin / TFormat.Group) * panel.Width;
        for (int k = begin; k < end; k += TFormat.Group)
        {
            Decode(w, s0, first);
            Decode(w + 16, s1, first + 16);
            Decode(w + 32, s2, second);
            Decode(w + 48, s3, second + 16);
            w += 64;
            first += TFormat.Group * Stride;
            second += TFormat.Group * Stride;
        }
    }

    private static void Column(in PanelView panel, int block, int lane, int begin, int end, float* target)
    {
        T scale = panel.Scale<T, TFormat>(block, lane);
        uint* w = panel.Weights + (long)(begin / TFormat.Group) * panel.Width + lane;
        for (int k = begin; k < end; k += TFormat.Group)
        {
            Decode(w, scale, target);
            w += panel.Width;
            target += TFormat.Group * Stride;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Decode(uint* w, T scale, float* target)
    {
        TFormat.Decode(w, scale, out T w0, out T w1, out T w2, out T w3);
        T.Store(w0, target);
        T.Store(w1, target + Stride);
        if (TFormat.Group > 2)
        {
            T.Store(w2, target + 2 * Stride);
            T.Store(w3, target + 3 * Stride);
        }
    }
}
