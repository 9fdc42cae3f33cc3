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

/// <summary>Rows of float32 weights as in a checkpoint, transposed at each use.</summary>
internal readonly unsafe struct SingleRows<T> : IPanelSource<T> where T : struct, ILanes<T>
{
    public static float* Chunk(in PanelView panel, int begin, int end, float* scratch)
    {
        uint** rows = stackalloc uint*[PanelLayout.TileColumns];
        for (int r = 0; r < panel.Width; r++)
            rows[r] = panel.Weights + (long)r * panel.Columns + begin;
        Transposition.Run(rows, panel.Width, end - begin, (uint*)scratch, PanelLayout.TileColumns);
        return scratch;
    }
}

/// <summary>Panels of a format that is decoded.</summary>
internal readonly unsafe struct DecodedPanels<T, TFormat> : IPanelSource<T>
    where T : struct, ILanes<T>
    where TFormat : struct, IWeightFormat<T>
{
    public static float* Chunk(in PanelView panel, int begin, int end, float* scratch)
    {
        for (int lane = 0; lane < panel.Width; lane += PanelLayout.Lanes)
        {
            float* half = scratch + lane / PanelLayout.TileColumns * TiledProduct<T, SinglePanels<T>>.HalfStride;
            Column(in panel, lane, begin, end, half + lane % PanelLayout.TileColumns);
        }
        return scratch;
    }

    private static void Column(in PanelView panel, int lane, int begin, int end, float* target)
    {
        const int Stride = PanelLayout.TileColumns;
        uint* w = panel.Weights + (long)(begin / TFormat.Group) * panel.Width + lane;
        for (int k = begin; k < end;)
        {
            int block = Math.Min(k / WeightScales.BlockSize, panel.ScaleBlocks - 1);
            T scale = panel.Scale<T, TFormat>(block, lane);
            // A last, incomplete group writes up to three columns more than are used; the scratch has room for them.
            for (int stop = Math.Min(panel.BlockEnd(block), end); k < stop; k += TFormat.Group)
            {
                TFormat.Decode(w, scale, out T w0, out T w1, out T w2, out T w3);
                T.Store(w0, target);
                T.Store(w1, target + Stride);
                if (TFormat.Group > 2)
                {
                    T.Store(w2, target + 2 * Stride);
                    T.Store(w3, target + 3 * Stride);
                }
                target += TFormat.Group * Stride;
                w += panel.Width;
            }
        }
    }
}
