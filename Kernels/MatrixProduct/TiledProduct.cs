namespace Mellum2.Managed.Kernels;

/// <summary>
/// Products of many rows: the rows are packed into tiles [k][height], columns in chunks of <see cref="ChunkColumns"/>, and
/// every tile meets every 32 weights in a kernel that keeps its sums in registers. A later chunk goes on from the sums
/// that the one before has stored, so the chain of a result does not depend on any of the sizes.
/// </summary>
internal static unsafe class TiledProduct<T, TSource> where T : struct, ILanes<T> where TSource : struct, IPanelSource<T>
{
    /// <summary>
    /// The columns of a chunk, a multiple of the scale block: a tile of them and the weights that it meets stay in the
    /// caches of a core.
    /// </summary>
    public const int ChunkColumns = 512;

    /// <summary>The distance of the two halves of a decoded panel of 64 rows; the slack takes an incomplete group.</summary>
    public const int HalfStride = (ChunkColumns + 4) * PanelLayout.TileColumns;

    /// <summary>The floats of scratch that a worker needs: a decoded panel and a tile of results.</summary>
    public const int ScratchFloats = 2 * HalfStride + WideTile<T>.MaxHeight * PanelLayout.TileColumns;

    /// <summary>The number of chunks of <paramref name="columns"/> columns.</summary>
    public static int Chunks(int columns) => Math.Max(1, (columns + ChunkColumns - 1) / ChunkColumns);

    /// <summary>The rows of the largest tile.</summary>
    public static int MaxHeight => T.Accumulators >= 28 ? WideTile<T>.MaxHeight : NarrowTile<T>.MaxHeight;

    /// <summary>The height of the smallest tile that has room for <paramref name="rows"/> rows.</summary>
    public static int Height(int rows) => T.Accumulators >= 28 ? WideTile<T>.Height(rows) : NarrowTile<T>.Height(rows);

    /// <summary>The height that cuts <paramref name="rows"/> rows into tiles of nearly equal size.</summary>
    public static int EvenHeight(int rows)
    {
        int tiles = (rows + MaxHeight - 1) / MaxHeight;
        return Height((rows + tiles - 1) / tiles);
    }

    /// <summary>The floats of a packed segment: the last tile may be lower, never higher.</summary>
    public static long PackedFloats(in ProductSegment segment, int columns) => (long)segment.Tiles * segment.TileHeight * columns;

    /// <summary>Packs the columns of <paramref name="chunk"/>: tiles [k][height] one after the other.</summary>
    /// <param name="segment">The rows.</param>
    /// <param name="rows">Where each row of the segment is.</param>
    /// <param name="columns">The columns K of a row.</param>
    /// <param name="chunk">Which chunk of columns.</param>
    public static void Pack(in ProductSegment segment, ProductRows rows, int columns, int chunk)
    {
        int begin = chunk * ChunkColumns, length = Math.Min(ChunkColumns, columns - begin);
        float* target = segment.Packed + (long)segment.Tiles * segment.TileHeight * begin;
        uint** source = stackalloc uint*[WideTile<T>.MaxHeight];
        for (int first = 0; first < segment.Rows; first += segment.TileHeight)
        {
            int count = Math.Min(segment.TileHeight, segment.Rows - first), height = Height(count);
            for (int r = 0; r < count; r++)
                source[r] = (uint*)(rows.Row(segment.FirstRow + first + r) + begin);
            Transposition.Run(source, count, length, (uint*)target, height);
            for (int r = count; r < height; r++)
                for (int k = 0; k < length; k++)
                    target[(long)k * height + r] = 0;
            target += (long)segment.TileHeight * length;
        }
    }

    /// <summary>Multiplies a packed segment by the columns of <paramref name="chunk"/> of one panel.</summary>
    /// <param name="segment">The packed rows.</param>
    /// <param name="panel">The panel.</param>
    /// <param name="chunk">Which chunk of columns.</param>
    /// <param name="y">The result of the segment's first row and the panel's first weight row.</param>
    /// <param name="stride">The distance of result rows.</param>
    /// <param name="valid">The rows of the panel that are not padding.</param>
    /// <param name="scratch">The worker's <see cref="ScratchFloats"/> floats.</param>
    /// <param name="next">The weights of the call that will follow, as many as here.</param>
    public static void Multiply(in ProductSegment segment, in PanelView panel, int chunk, float* y, long stride, int valid, float* scratch, byte* next)
    {
        int begin = chunk * ChunkColumns, length = Math.Min(ChunkColumns, panel.Columns - begin);
        float* b = TSource.Chunk(in panel, begin, begin + length, scratch);
        float* corner = scratch + 2 * HalfStride;
        // Each k of each tile fetches a little of what follows, so that no tile has to wait for memory.
        int halves = (valid + PanelLayout.TileColumns - 1) / PanelLayout.TileColumns;
        nint step = (nint)(panel.ChunkBytes(length) / ((long)halves * segment.Tiles * Math.Max(length, 1)));
        for (int n = 0; n < valid; n += PanelLayout.TileColumns)
        {
            int width = Math.Min(PanelLayout.TileColumns, valid - n);
            float* a = segment.Packed + (long)segment.Tiles * segment.TileHeight * begin;
            for (int first = 0; first < segment.Rows; first += segment.TileHeight)
            {
                int count = Math.Min(segment.TileHeight, segment.Rows - first), height = Height(count);
                float* c = y + first * stride + n;
                if (count == height && width == PanelLayout.TileColumns)
                {
                    FetchSums(c + segment.TileHeight * stride, stride, Math.Min(segment.TileHeight, segment.Rows - first - segment.TileHeight));
                    Tile(height, length, a, b, c, stride, chunk == 0, next, step);
                }
                else
                {
                    // A tile that sticks out of y is made aside.
                    if (chunk != 0)
                        Copy(c, stride, corner, PanelLayout.TileColumns, count, width);
                    Tile(height, length, a, b, corner, PanelLayout.TileColumns, chunk == 0, next, step);
                    Copy(corner, PanelLayout.TileColumns, c, stride, count, width);
                }
                a += (long)segment.TileHeight * length;
                next += step * length;
            }
            b += HalfStride;
        }
    }

    /// <summary>c = (<paramref name="start"/> ? 0 : c) + aᵀ·b by the kernel that suits the registers: see <see cref="WideTile{T}.Run"/>.</summary>
    public static void Tile(int height, int length, float* a, float* b, float* c, long stride, bool start, byte* next, nint step)
    {
        if (T.Accumulators >= 28)
            WideTile<T>.Run(height, length, a, b, c, stride, start, next, step);
        else
            NarrowTile<T>.Run(height, length, a, b, c, stride, start);
    }

    // The sums of the next tile, which are rows far apart, are on their way while this one is made.
    private static void FetchSums(float* c, long stride, int rows)
    {
        for (int r = 0; r < rows; r++)
            Prefetch.TwoLines(c + r * stride);
    }

    private static void Copy(float* source, long sourceStride, float* target, long targetStride, int rows, int columns)
    {
        for (int r = 0; r < rows; r++)
            new ReadOnlySpan<float>(source + r * sourceStride, columns).CopyTo(new Span<float>(target + r * targetStride, columns));
    }
}
