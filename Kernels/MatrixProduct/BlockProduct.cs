using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>Which products of a row-major matrix W [N, K] there are.</summary>
internal enum BlockForm
{
    /// <summary>y [T, N] = x·Wᵀ: A is x, whose rows may be gathered; B is W, read transposed.</summary>
    Forward,

    /// <summary>dx [T, K] = dy·W: A is dy, B is W.</summary>
    InputGradient,

    /// <summary>dW [N, K] += dyᵀ·x: A is dy, read transposed; B is x, whose rows may be gathered.</summary>
    WeightGradient,
}

/// <summary>One product of a call of <see cref="BlockJob{T}"/>: C (+)= A·B, all float32.</summary>
internal unsafe struct BlockProduct
{
    /// <summary>A: element (m, p) is at A + row(m) · <see cref="AStride"/> + p, or, where it is transposed, at A + p · AStride + m.</summary>
    public float* A;

    /// <summary>The distance of the rows of A as it lies.</summary>
    public long AStride;

    /// <summary>B: element (p, n) is at B + row(p) · <see cref="BStride"/> + n, or, where it is transposed, at B + n · BStride + p.</summary>
    public float* B;

    /// <summary>The distance of the rows of B as it lies.</summary>
    public long BStride;

    /// <summary>The rows of activations that the product takes, times the slots; null where it takes them as they lie.</summary>
    public int* Order;

    /// <summary>C, [rows, columns].</summary>
    public float* C;

    /// <summary>The rows of C.</summary>
    public int Rows;

    /// <summary>The terms of a sum.</summary>
    public int Length;

    /// <summary>The rows of a block: of nearly equal size, whole tiles.</summary>
    public int BlockRows;

    /// <summary>The first item of this product.</summary>
    public int FirstItem;
}

/// <summary>What the products of a call share.</summary>
internal unsafe struct BlockCall
{
    /// <summary>The products, in the order of their items.</summary>
    public BlockProduct* Products;

    /// <summary>How many there are.</summary>
    public int Count;

    /// <summary>Which kind they are.</summary>
    public BlockForm Form;

    /// <summary>The columns of C.</summary>
    public int Columns;

    /// <summary>The columns of a block, whole panels.</summary>
    public int BlockColumns;

    /// <summary>What the entries of <see cref="BlockProduct.Order"/> are divided by.</summary>
    public int Slots;

    /// <summary>The memory of the workers.</summary>
    public ProductScratch Scratch;
}

/// <summary>
/// Products of row-major matrices, which change at each step of training, with the tile kernels of prepared ones. Item =
/// (product, block of rows, block of columns); it packs its part of A once for a chunk of terms and B panel by panel. A
/// later chunk goes on from the sums in C, so that each element is one chain over rising p whatever the sizes.
/// </summary>
internal unsafe struct BlockProductJob<T>(BlockCall call) : IParallelJob where T : struct, ILanes<T>
{
    /// <summary>The columns of the largest block: packing A is little work beside so many.</summary>
    public const int MaxColumns = 512;

    /// <summary>The rows of the largest block. Packed, they take half of a second-level cache of 1 MB.</summary>
    public const int MaxRows = 224;

    private const int ChunkLength = 512;
    private const int TileColumns = PanelLayout.TileColumns;

    // Panels that are packed together: long pieces of the rows of B are read at once.
    private const int GroupPanels = 2;
    private const int ColumnTerms = 16, GatherAhead = 12, LineFloats = 16;

    /// <summary>The floats that a worker needs: packed A, a few packed panels of B and a tile of results.</summary>
    public static long ScratchFloats => (long)(MaxRows + MaxHeight) * ChunkLength + GroupPanels * ChunkLength * TileColumns + WideTile<T>.MaxHeight * TileColumns;

    private static int MaxHeight => TiledProduct<T, SinglePanels<T>>.MaxHeight;

    /// <summary>The rows of the blocks of a product: as few blocks as possible, of nearly equal size and whole tiles.</summary>
    /// <param name="rows">The rows of the product.</param>
    /// <param name="most">The rows of a block at most.</param>
    /// <param name="multiple">What the number of blocks should be a multiple of, if there are several.</param>
    public static int BlockRows(int rows, int most, int multiple)
    {
        int tiles = (rows + MaxHeight - 1) / MaxHeight, mostTiles = Math.Max(1, most / MaxHeight);
        int blocks = Math.Max(1, (tiles + mostTiles - 1) / mostTiles);
        if (blocks > multiple)
            blocks = (blocks + multiple - 1) / multiple * multiple;
        return Math.Max(1, (tiles + blocks - 1) / blocks) * MaxHeight;
    }

    /// <inheritdoc/>
    public readonly void Run(int begin, int end, int worker)
    {
        float* scratch = call.Scratch.Worker(worker);
        int blocks = (call.Columns + call.BlockColumns - 1) / call.BlockColumns;
        int index = 0;
        for (int item = begin; item < end; item++)
        {
            while (index + 1 < call.Count && call.Products[index + 1].FirstItem <= item)
                index++;
            ref BlockProduct product = ref call.Products[index];
            int local = item - product.FirstItem;
            int row = local / blocks * product.BlockRows, column = local % blocks * call.BlockColumns;
            Run(
                in product, row, Math.Min(product.BlockRows, product.Rows - row), column,
                Math.Min(call.BlockColumns, call.Columns - column), scratch);
        }
    }

    private readonly void Run(in BlockProduct product, int firstRow, int rows, int firstColumn, int columns, float* scratch)
    {
        float* a = scratch;
        float* b = a + (MaxRows + MaxHeight) * ChunkLength;
        float* corner = b + GroupPanels * ChunkLength * TileColumns;
        int tileHeight = TiledProduct<T, SinglePanels<T>>.EvenHeight(rows);
        // A sum without terms still is one: an output that is written becomes 0. Chunks are of nearly equal size.
        int chunks = Math.Max(1, (product.Length + ChunkLength - 1) / ChunkLength);
        int chunkLength = (product.Length + chunks - 1) / chunks;
        for (int chunk = 0; chunk < chunks; chunk++)
        {
            int begin = chunk * chunkLength, length = Math.Min(chunkLength, product.Length - begin);
            bool start = chunk == 0 && call.Form != BlockForm.WeightGradient;
            PackRows(in product, firstRow, rows, tileHeight, begin, length, a);
            for (int n = 0; n < columns; n += TileColumns)
            {
                int width = Math.Min(TileColumns, columns - n), place = n / TileColumns % GroupPanels;
                if (place == 0)
                    PackPanels(in product, begin, length, firstColumn + n, Math.Min(GroupPanels * TileColumns, columns - n), b);
                float* panel = b + place * length * TileColumns;
                float* c = product.C + (long)firstRow * call.Columns + firstColumn + n;
                int following = n - place * TileColumns + GroupPanels * TileColumns;
                Ahead ahead = following < columns ? new Ahead(in product, call.Form, begin, length, firstColumn + following) : default;
                int tile = place * ((rows + tileHeight - 1) / tileHeight);
                for (int first = 0; first < rows; first += tileHeight, tile++, c += (long)tileHeight * call.Columns)
                {
                    int count = Math.Min(tileHeight, rows - first), height = TiledProduct<T, SinglePanels<T>>.Height(count);
                    FetchSums(c + (long)tileHeight * call.Columns, Math.Min(tileHeight, rows - first - tileHeight));
                    if (count == height && width == TileColumns)
                    {
                        Tile(height, length, a + (long)first * length, panel, c, call.Columns, start, in ahead, tile);
                        continue;
                    }
                    // A tile that sticks out of C is made aside.
                    if (!start)
                        Copy(c, call.Columns, corner, TileColumns, count, width);
                    Tile(height, length, a + (long)first * length, panel, corner, TileColumns, start, in ahead, tile);
                    Copy(corner, TileColumns, c, call.Columns, count, width);
                }
            }
        }
    }

    // Tiles [p][height]; rows that are missing in the last one hold anything, their results are dropped.
    private readonly void PackRows(in BlockProduct product, int firstRow, int rows, int tileHeight, int begin, int length, float* target)
    {
        if (call.Form == BlockForm.WeightGradient)
        {
            PackColumns(product.A + begin * product.AStride + firstRow, product.AStride, rows, tileHeight, length, target);
            return;
        }
        uint** source = stackalloc uint*[WideTile<T>.MaxHeight];
        for (int first = 0; first < rows; first += tileHeight, target += (long)tileHeight * length)
        {
            int count = Math.Min(tileHeight, rows - first), height = TiledProduct<T, SinglePanels<T>>.Height(count);
            for (int r = 0; r < height; r++)
            {
                int row = firstRow + first + Math.Min(r, count - 1);
                if (product.Order != null)
                    row = product.Order[row] / call.Slots;
                source[r] = (uint*)(product.A + row * product.AStride + begin);
            }
            Transposition.Run(source, height, length, (uint*)target, height);
        }
    }

    // The columns lie side by side already. Whole vectors are copied: what is too much belongs to the next term, which comes
    // afterwards; only the last terms of a tile end where they must. A few terms of all tiles come together, since they share
    // lines of memory.
    private static void PackColumns(float* source, long stride, int rows, int tileHeight, int length, float* target)
    {
        for (int begin = 0; begin < length; begin += ColumnTerms)
        {
            int end = Math.Min(begin + ColumnTerms, length);
            for (int p = end; p < Math.Min(end + ColumnTerms, length); p++)
                for (int r = 0; r < rows; r += LineFloats)
                    Prefetch.Near(source + p * stride + r);
            for (int first = 0; first < rows; first += tileHeight)
            {
                int count = Math.Min(tileHeight, rows - first), height = TiledProduct<T, SinglePanels<T>>.Height(count);
                float* from = source + begin * stride + first;
                float* to = target + (long)first * length + begin * height;
                int p = begin, whole = Math.Min(end, length + 1 - (PanelLayout.Lanes + height - 1) / height);
                for (; p < whole; p++, from += stride, to += height)
                    T.Store(T.Load(from), to);
                for (; p < end; p++, from += stride, to += height)
                    for (int r = 0; r < count; r++)
                        to[r] = from[r];
            }
        }
    }

    // Panels [p][32]; what lies beyond the columns is never stored.
    private readonly void PackPanels(in BlockProduct product, int begin, int length, int column, int columns, float* target)
    {
        int whole = columns / TileColumns * TileColumns;
        if (call.Form == BlockForm.Forward)
        {
            uint** rows = stackalloc uint*[TileColumns];
            for (int n = 0; n < columns; n += TileColumns, target += length * TileColumns)
            {
                int width = Math.Min(TileColumns, columns - n);
                for (int i = 0; i < width; i++)
                    rows[i] = (uint*)(product.B + (column + n + i) * product.BStride + begin);
                Transposition.Run(rows, width, length, (uint*)target, TileColumns);
            }
            return;
        }
        float* origin = product.B + column;
        for (int p = begin; p < begin + length; p++, target += TileColumns)
        {
            float* row = origin + (product.Order == null ? p : product.Order[p] / call.Slots) * product.BStride;
            if (product.Order != null && p + GatherAhead < begin + length)
            {
                float* later = origin + product.Order[p + GatherAhead] / call.Slots * product.BStride;
                for (int i = 0; i < columns; i += LineFloats)
                    Prefetch.Near(later + i);
            }
            float* to = target;
            int n = 0;
            for (; n < whole; n += TileColumns, to += length * TileColumns)
            {
                T.Store(T.Load(row + n), to);
                T.Store(T.Load(row + n + PanelLayout.Lanes), to + PanelLayout.Lanes);
            }
            for (int i = 0; n + i < columns; i++)
                to[i] = row[n + i];
        }
    }

    private static void Tile(int height, int length, float* a, float* b, float* c, long stride, bool start, in Ahead ahead, int tile)
    {
        if (T.Accumulators >= 28)
        {
            bool fetch = tile < ahead.Tiles;
            WideTile<T>.Run(height, length, a, b, c, stride, start, fetch ? ahead.First + tile * ahead.Distance : (byte*)a, fetch ? ahead.Step : 0);
        }
        else
        {
            NarrowTile<T>.Run(height, length, a, b, c, stride, start);
        }
    }

    // The sums of the next tile, which are rows far apart, are on their way while this one is made.
    private readonly void FetchSums(float* c, int rows)
    {
        for (int r = 0; r < rows; r++)
            Prefetch.TwoLines(c + (long)r * call.Columns);
    }

    private static void Copy(float* source, long sourceStride, float* target, long targetStride, int rows, int columns)
    {
        for (int r = 0; r < rows; r++)
            new ReadOnlySpan<float>(source + r * sourceStride, columns).CopyTo(new Span<float>(target + r * targetStride, columns));
    }

    /// <summary>
    /// The part of B that is packed next comes towards the core while tiles are made of the one before: each of the first
    /// tiles asks for a line at each term.
    /// </summary>
    private readonly struct Ahead
    {
        /// <summary>How many tiles do, where the first one begins, how much further the next one, and the bytes from line to line.</summary>
        public readonly int Tiles;
        public readonly byte* First;
        public readonly nint Distance, Step;

        public Ahead(in BlockProduct product, BlockForm form, int begin, int length, int column)
        {
            if (form == BlockForm.Forward)
            {
                // Rows of W, which follow each other where a chunk is all of them.
                if (product.BStride != length)
                    return;
                First = (byte*)(product.B + column * product.BStride);
                Tiles = GroupPanels * TileColumns / LineFloats;
                Step = LineFloats * sizeof(float);
                Distance = length * Step;
            }
            else if (product.Order == null)
            {
                First = (byte*)(product.B + begin * product.BStride + column);
                Tiles = GroupPanels * TileColumns / LineFloats;
                Step = (nint)(product.BStride * sizeof(float));
                Distance = LineFloats * sizeof(float);
            }
        }
    }
}
