using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>One product of a call of <see cref="GradientJob{T}"/>: C (+)= A·B, all float32.</summary>
internal unsafe struct GradientProduct
{
    /// <summary>A: element (m, p) is at A + m · <see cref="AStride"/> + p, or, where it is transposed, at A + p · AStride + m.</summary>
    public float* A;

    /// <summary>The distance of the rows of A as it lies.</summary>
    public long AStride;

    /// <summary>B: row p begins at B + row(p) · <see cref="GradientCall.Columns"/>.</summary>
    public float* B;

    /// <summary>Which row of B serves p, times the slots; null where that is p.</summary>
    public int* Order;

    /// <summary>C, [rows, columns].</summary>
    public float* C;

    /// <summary>The rows of C.</summary>
    public int Rows;

    /// <summary>The terms of a sum.</summary>
    public int Length;

    /// <summary>The first item of this product.</summary>
    public int FirstItem;
}

/// <summary>What the products of a call share.</summary>
internal unsafe struct GradientCall
{
    /// <summary>The products, in the order of their items.</summary>
    public GradientProduct* Products;

    /// <summary>How many there are.</summary>
    public int Count;

    /// <summary>The columns of B and C.</summary>
    public int Columns;

    /// <summary>What the entries of <see cref="GradientProduct.Order"/> are divided by.</summary>
    public int Slots;

    /// <summary>Whether A is read transposed.</summary>
    public bool Transposed;

    /// <summary>Whether the sums begin at what C holds.</summary>
    public bool Accumulate;

    /// <summary>The memory of the workers.</summary>
    public ProductScratch Scratch;
}

/// <summary>
/// The products of the backward pass with the tile kernels of the forward one. Item = (product, block of rows, block of
/// columns); it packs its part of A and B chunk by chunk. A later chunk goes on from the sums in C, so that each element is
/// one chain over rising p whatever the sizes.
/// </summary>
internal unsafe struct GradientJob<T>(GradientCall call) : IParallelJob where T : struct, ILanes<T>
{
    /// <summary>The columns of a block.</summary>
    public const int BlockColumns = 256;

    // Packed A of 112 rows and a packed panel of B stay in a second-level cache of 256 KB.
    private const int ChunkLength = 256;
    private const int TileColumns = PanelLayout.TileColumns;

    /// <summary>The rows of a block: eight of the largest tiles.</summary>
    public static int BlockRows => 8 * MaxHeight;

    /// <summary>The floats that a worker needs: packed A, a packed panel of B and a tile of results.</summary>
    public static long ScratchFloats => (long)BlockRows * ChunkLength + ChunkLength * TileColumns + MaxHeight * TileColumns;

    private static int MaxHeight => TiledProduct<T, SinglePanels<T>>.MaxHeight;

    /// <summary>How many items a product with <paramref name="rows"/> rows has.</summary>
    public static int Items(int rows, int columns) =>
        checked((rows + BlockRows - 1) / BlockRows * ((columns + BlockColumns - 1) / BlockColumns));

    /// <inheritdoc/>
    public readonly void Run(int begin, int end, int worker)
    {
        float* scratch = call.Scratch.Worker(worker);
        int blocks = (call.Columns + BlockColumns - 1) / BlockColumns;
        int index = 0;
        for (int item = begin; item < end; item++)
        {
            while (index + 1 < call.Count && call.Products[index + 1].FirstItem <= item)
                index++;
            ref GradientProduct product = ref call.Products[index];
            int local = item - product.FirstItem;
            int row = local / blocks * BlockRows, column = local % blocks * BlockColumns;
            Run(in product, row, Math.Min(BlockRows, product.Rows - row), column, Math.Min(BlockColumns, call.Columns - column), scratch);
        }
    }

    private readonly void Run(in GradientProduct product, int firstRow, int rows, int firstColumn, int columns, float* scratch)
    {
        float* a = scratch;
        float* b = a + BlockRows * ChunkLength;
        float* corner = b + ChunkLength * TileColumns;
        int tiles = (rows + MaxHeight - 1) / MaxHeight;
        int tileHeight = TiledProduct<T, SinglePanels<T>>.Height((rows + tiles - 1) / tiles);
        // A sum without terms still is one: an output that is written becomes 0.
        int chunks = Math.Max(1, (product.Length + ChunkLength - 1) / ChunkLength);
        for (int chunk = 0; chunk < chunks; chunk++)
        {
            int begin = chunk * ChunkLength, length = Math.Min(ChunkLength, product.Length - begin);
            bool start = chunk == 0 && !call.Accumulate;
            PackRows(in product, firstRow, rows, tileHeight, begin, length, a);
            for (int n = 0; n < columns; n += TileColumns)
            {
                int width = Math.Min(TileColumns, columns - n);
                PackPanel(in product, begin, length, firstColumn + n, width, b);
                for (int first = 0; first < rows; first += tileHeight)
                {
                    int count = Math.Min(tileHeight, rows - first), height = TiledProduct<T, SinglePanels<T>>.Height(count);
                    float* c = product.C + (long)(firstRow + first) * call.Columns + firstColumn + n;
                    if (count == height && width == TileColumns)
                    {
                        Tile(height, length, a + (long)first * length, b, c, call.Columns, start);
                        continue;
                    }
                    if (!start)
                        Copy(c, call.Columns, corner, TileColumns, count, width);
                    Tile(height, length, a + (long)first * length, b, corner, TileColumns, start);
                    Copy(corner, TileColumns, c, call.Columns, count, width);
                }
            }
        }
    }

    // Tiles [p][height]; rows that are missing in the last one are zero.
    private readonly void PackRows(in GradientProduct product, int firstRow, int rows, int tileHeight, int begin, int length, float* target)
    {
        uint** source = stackalloc uint*[WideTile<T>.MaxHeight];
        for (int first = 0; first < rows; first += tileHeight)
        {
            int count = Math.Min(tileHeight, rows - first), height = TiledProduct<T, SinglePanels<T>>.Height(count);
            if (count < height)
                new Span<float>(target, height * length).Clear();
            if (call.Transposed)
            {
                float* column = product.A + begin * product.AStride + firstRow + first;
                for (int p = 0; p < length; p++, column += product.AStride)
                    for (int r = 0; r < count; r++)
                        target[p * height + r] = column[r];
            }
            else
            {
                for (int r = 0; r < count; r++)
                    source[r] = (uint*)(product.A + (firstRow + first + r) * product.AStride + begin);
                Transposition.Run(source, count, length, (uint*)target, height);
            }
            target += (long)tileHeight * length;
        }
    }

    // [p][32]; what lies beyond the columns is never stored.
    private readonly void PackPanel(in GradientProduct product, int begin, int length, int column, int width, float* target)
    {
        for (int p = begin; p < begin + length; p++, target += TileColumns)
        {
            float* row = product.B + (product.Order == null ? p : product.Order[p] / call.Slots) * (long)call.Columns + column;
            if (width == TileColumns)
            {
                T.Store(T.Load(row), target);
                T.Store(T.Load(row + PanelLayout.Lanes), target + PanelLayout.Lanes);
                continue;
            }
            for (int i = 0; i < width; i++)
                target[i] = row[i];
        }
    }

    private static void Tile(int height, int length, float* a, float* b, float* c, long stride, bool start)
    {
        if (T.Accumulators >= 28)
            WideTile<T>.Run(height, length, a, b, c, stride, start, (byte*)b, 0);
        else
            NarrowTile<T>.Run(height, length, a, b, c, stride, start);
    }

    private static void Copy(float* source, long sourceStride, float* target, long targetStride, int rows, int columns)
    {
        for (int r = 0; r < rows; r++)
            new ReadOnlySpan<float>(source + r * sourceStride, columns).CopyTo(new Span<float>(target + r * targetStride, columns));
    }
}
