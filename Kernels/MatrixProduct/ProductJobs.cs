using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>What the jobs of a product share.</summary>
internal unsafe struct ProductCall
{
    /// <summary>Where the rows of x are.</summary>
    public ProductRows Rows;

    /// <summary>The shape of the matrices.</summary>
    public PanelLayout Layout;

    /// <summary>The rows that meet one matrix each.</summary>
    public ProductSegment* Segments;

    /// <summary>How many there are.</summary>
    public int SegmentCount;

    /// <summary>The first result.</summary>
    public float* Y;

    /// <summary>The memory of the workers.</summary>
    public ProductScratch Scratch;

    /// <summary>How many panels an item of a tiled product has.</summary>
    public int PanelsPerItem;
}

/// <summary>Item = (segment, panel): a few rows by a panel that is decoded as it streams by.</summary>
internal unsafe struct DirectJob<T, TFormat>(ProductCall call) : IParallelJob
    where T : struct, ILanes<T>
    where TFormat : struct, IWeightFormat<T>
{
    private const int PanelRows = 4 * PanelLayout.Lanes;

    /// <inheritdoc/>
    public readonly void Run(int begin, int end, int worker)
    {
        float* corner = stackalloc float[DirectProduct<T, TFormat>.MaxRows * PanelRows];
        float** rows = stackalloc float*[DirectProduct<T, TFormat>.MaxRows];
        int panels = call.Layout.Panels, columns = call.Layout.Rows;
        for (int item = begin; item < end; item++)
        {
            ref ProductSegment segment = ref call.Segments[item / panels];
            int index = item % panels, first = index * PanelRows;
            PanelView panel = segment.Panel(in call.Layout, index);
            for (int r = 0; r < segment.Rows; r++)
                rows[r] = call.Rows.Row(segment.FirstRow + r);
            float* y = call.Y + (long)segment.FirstRow * columns + first;
            int valid = Math.Min(panel.Width, columns - first);
            if (valid == panel.Width)
            {
                DirectProduct<T, TFormat>.Run(in panel, rows, segment.Rows, y, columns);
                continue;
            }
            DirectProduct<T, TFormat>.Run(in panel, rows, segment.Rows, corner, PanelRows);
            for (int r = 0; r < segment.Rows; r++)
                new ReadOnlySpan<float>(corner + r * PanelRows, valid).CopyTo(new Span<float>(y + (long)r * columns, valid));
        }
    }
}

/// <summary>Item = (segment, chunk of columns): packs rows for <see cref="TileJob{T, TSource}"/>.</summary>
internal unsafe struct PackJob<T, TSource>(ProductCall call) : IParallelJob
    where T : struct, ILanes<T>
    where TSource : struct, IPanelSource<T>
{
    /// <inheritdoc/>
    public readonly void Run(int begin, int end, int worker)
    {
        int chunks = TiledProduct<T, TSource>.Chunks(call.Layout.Columns);
        for (int item = begin; item < end; item++)
        {
            ref ProductSegment segment = ref call.Segments[item / chunks];
            // A single row is its own tile.
            if (segment.Rows > 1)
                TiledProduct<T, TSource>.Pack(in segment, call.Rows, call.Layout.Columns, item % chunks);
        }
    }
}

/// <summary>
/// Item = (group of panels, segment): packed rows by panels. All segments meet a panel one after the other, so that it
/// comes from memory once.
/// </summary>
internal unsafe struct TileJob<T, TSource>(ProductCall call) : IParallelJob
    where T : struct, ILanes<T>
    where TSource : struct, IPanelSource<T>
{
    /// <inheritdoc/>
    public readonly void Run(int begin, int end, int worker)
    {
        float* scratch = call.Scratch.Worker(worker);
        int panels = call.Layout.Panels, columns = call.Layout.Rows;
        int chunks = TiledProduct<T, TSource>.Chunks(call.Layout.Columns);
        for (int item = begin; item < end; item++)
        {
            ref ProductSegment segment = ref call.Segments[item % call.SegmentCount];
            int firstPanel = item / call.SegmentCount * call.PanelsPerItem;
            int lastPanel = Math.Min(firstPanel + call.PanelsPerItem, panels);
            float* y = call.Y + (long)segment.FirstRow * columns;
            // Chunks outside, panels inside: the packed rows of a chunk stay in the second-level cache.
            for (int chunk = 0; chunk < chunks; chunk++)
            {
                for (int index = firstPanel; index < lastPanel; index++)
                {
                    PanelView panel = segment.Panel(in call.Layout, index);
                    bool last = index == lastPanel - 1;
                    PanelView following = segment.Panel(in call.Layout, last ? firstPanel : index + 1);
                    byte* next = (byte*)following.At((last ? chunk + 1 : chunk) * TiledProduct<T, TSource>.ChunkColumns);
                    int n = index * call.Layout.PanelRows, valid = Math.Min(panel.Width, columns - n);
                    TiledProduct<T, TSource>.Multiply(in segment, in panel, chunk, y + n, columns, valid, scratch, next);
                }
            }
        }
    }
}
