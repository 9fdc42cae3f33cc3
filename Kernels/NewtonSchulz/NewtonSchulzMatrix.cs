namespace Mellum2.Managed.Kernels;

/// <summary>The parts of Newton-Schulz for one matrix, in their order within a step. Each part is blocks that do not depend on each other.</summary>
internal enum NewtonSchulzPart
{
    /// <summary>X = factor·U, transposed if it is upright. Before the steps.</summary>
    Load,

    /// <summary>Packs the rows of X into tiles.</summary>
    PackX,

    /// <summary>The lower triangle of P = XXᵀ.</summary>
    Gram,

    /// <summary>The upper triangle of P.</summary>
    MirrorGram,

    /// <summary>Packs the rows of P.</summary>
    PackGram,

    /// <summary>The lower triangle of Q = P².</summary>
    Square,

    /// <summary>Q ← bP + cQ there, and the upper triangle.</summary>
    MirrorPolynomial,

    /// <summary>Packs the rows of Q.</summary>
    PackPolynomial,

    /// <summary>Y = aX + QX. Then X and Y are exchanged.</summary>
    Multiply,

    /// <summary>O = X, transposed back. After the steps.</summary>
    Store,
}

/// <summary>
/// One matrix of a Newton-Schulz iteration and its memory. Products are those of <see cref="TiledProduct{T, TSource}"/>: rows
/// packed into tiles [k][height] meet panels [k][32] of columns.
/// </summary>
internal unsafe struct NewtonSchulzMatrix<T> where T : struct, ILanes<T>
{
    private const int Chunk = 512;
    private const int Width = PanelLayout.TileColumns;
    private const int CornerFloats = WideTile<T>.MaxHeight * Width;

    // Panels of a block: a packed tile meets all of them while it is in the first-level cache.
    private const int PanelsPerBlock = 4;

    private readonly int _m, _n, _strideM, _strideN, _height, _tiles;
    private readonly bool _upright;
    private readonly float* _p, _q, _packed;
    private float* _x, _y;
    private float* _u, _o;
    private float _factor, _a, _b, _c;

    /// <summary>The floats that a worker needs for panels.</summary>
    public const int PanelFloats = PanelsPerBlock * Chunk * Width + CornerFloats;

    /// <summary>A matrix of this shape in <paramref name="memory"/>, <see cref="Floats"/> numbers.</summary>
    public NewtonSchulzMatrix(int rows, int columns, float* memory)
    {
        this = default;
        (_m, _n, _upright) = (Math.Min(rows, columns), Math.Max(rows, columns), rows > columns);
        (_strideM, _strideN) = (Stride(_m), Stride(_n));
        _height = TiledProduct<T, SinglePanels<T>>.EvenHeight(_m);
        _tiles = (_m + _height - 1) / _height;
        _x = memory;
        _y = _x + (long)_m * _strideN;
        _p = _y + (long)_m * _strideN;
        _q = _p + (long)_m * _strideM;
        _packed = _q + (long)_m * _strideM;
    }

    /// <summary>The floats of memory for a matrix.</summary>
    public static long Floats(int rows, int columns)
    {
        NewtonSchulzMatrix<T> shape = new(rows, columns, null);
        long packed = ((long)shape._tiles * shape._height * shape._n + 15) / 16 * 16;
        return 2L * shape._m * (shape._strideN + shape._strideM) + packed;
    }

    /// <summary>Takes up a matrix.</summary>
    /// <param name="u">U.</param>
    /// <param name="o">Where O goes.</param>
    /// <param name="factor">1/(‖U‖ + ε).</param>
    public void Begin(float* u, float* o, double factor)
    {
        _u = u;
        _o = o;
        _factor = (float)factor;
    }

    /// <summary>Takes up a step.</summary>
    public void Begin(NewtonSchulzStep step) => (_a, _b, _c) = ((float)step.A, (float)step.B, (float)step.C);

    /// <summary>Ends a step.</summary>
    public void Exchange()
    {
        float* x = _x;
        _x = _y;
        _y = x;
    }

    /// <summary>The number of blocks that a part has.</summary>
    public readonly int Blocks(NewtonSchulzPart part) => part switch
    {
        NewtonSchulzPart.Load or NewtonSchulzPart.Store => Groups(_upright ? _n : _m, Width),
        NewtonSchulzPart.PackX => Groups(_n, Chunk),
        NewtonSchulzPart.PackGram or NewtonSchulzPart.PackPolynomial => Groups(_m, Chunk),
        NewtonSchulzPart.MirrorGram or NewtonSchulzPart.MirrorPolynomial => Groups(_m, Width),
        NewtonSchulzPart.Multiply => Groups(_n, Width * PanelsPerBlock),
        _ => Groups(_m, Width * PanelsPerBlock),
    };

    /// <summary>Does one block of a part.</summary>
    /// <param name="part">The part.</param>
    /// <param name="block">The block.</param>
    /// <param name="panels">The worker's <see cref="PanelFloats"/> floats.</param>
    public readonly void Run(NewtonSchulzPart part, int block, float* panels)
    {
        switch (part)
        {
            case NewtonSchulzPart.Load:
                Load(block * Width);
                break;
            case NewtonSchulzPart.PackX:
                Pack(_x, _strideN, _n, block * Chunk);
                break;
            case NewtonSchulzPart.Gram:
                Product(new RowPanels(_x, _strideN, _m), _n, _p, _strideM, _m, block, panels, true);
                break;
            case NewtonSchulzPart.MirrorGram:
                Mirror(_p, block * Width);
                break;
            case NewtonSchulzPart.PackGram:
                Pack(_p, _strideM, _m, block * Chunk);
                break;
            case NewtonSchulzPart.Square:
                Product(new ColumnPanels(_p, _strideM, _m), _m, _q, _strideM, _m, block, panels, true);
                break;
            case NewtonSchulzPart.MirrorPolynomial:
                Combine(block * Width);
                Mirror(_q, block * Width);
                break;
            case NewtonSchulzPart.PackPolynomial:
                Pack(_q, _strideM, _m, block * Chunk);
                break;
            case NewtonSchulzPart.Multiply:
                ScaleColumns(block * Width * PanelsPerBlock);
                Product(new ColumnPanels(_x, _strideN, _n), _m, _y, _strideN, _n, block, panels, false);
                break;
            default:
                StoreResult(block * Width);
                break;
        }
    }

    // One line more than whole lines: rows do not fall into the same sets of the caches.
    private static int Stride(int columns) => (columns + 15) / 16 * 16 + 16;

    private static int Groups(int count, int size) => (count + size - 1) / size;

    private readonly void Load(int first)
    {
        int last = Math.Min(first + Width, _upright ? _n : _m);
        if (_upright)
        {
            // Rows of U are columns of X.
            Transpose(_u + (long)first * _m, _m, last - first, _m, _x + first, _strideN);
            for (int i = 0; i < _m; i++)
                LaneLoops<T>.Scale(_x + (long)i * _strideN + first, _factor, _x + (long)i * _strideN + first, last - first);
            return;
        }
        for (int i = first; i < last; i++)
            LaneLoops<T>.Scale(_u + (long)i * _n, _factor, _x + (long)i * _strideN, _n);
    }

    private readonly void StoreResult(int first)
    {
        int last = Math.Min(first + Width, _upright ? _n : _m);
        if (_upright)
        {
            uint** rows = stackalloc uint*[Width];
            for (int begin = 0; begin < _m; begin += Width)
            {
                int count = Math.Min(Width, _m - begin);
                for (int r = 0; r < count; r++)
                    rows[r] = (uint*)(_x + (long)(begin + r) * _strideN + first);
                Transposition.Run(rows, count, last - first, (uint*)(_o + (long)first * _m + begin), _m);
            }
            return;
        }
        for (int i = first; i < last; i++)
            new ReadOnlySpan<float>(_x + (long)i * _strideN, _n).CopyTo(new Span<float>(_o + (long)i * _n, _n));
    }

    private readonly void Pack(float* source, int stride, int columns, int begin)
    {
        int length = Math.Min(Chunk, columns - begin);
        float* target = _packed + (long)_tiles * _height * begin;
        for (int first = 0; first < _m; first += _height)
        {
            int count = Math.Min(_height, _m - first), height = TiledProduct<T, SinglePanels<T>>.Height(count);
            Transpose(source + (long)first * stride + begin, stride, count, length, target, height);
            for (int r = count; r < height; r++)
                for (int k = 0; k < length; k++)
                    target[(long)k * height + r] = 0;
            target += (long)_height * length;
        }
    }

    // Columns of the product of the packed rows and the panels of a block; of a symmetric one, only tiles that reach the
    // diagonal or lie below it.
    private readonly void Product<TPanels>(TPanels source, int depth, float* c, int stride, int columns, int block, float* panels, bool symmetric)
        where TPanels : struct, IPanels
    {
        float* corner = panels + PanelsPerBlock * Chunk * Width;
        int left = block * Width * PanelsPerBlock, count = Math.Min(PanelsPerBlock, Groups(columns - left, Width));
        for (int begin = 0; begin < depth; begin += Chunk)
        {
            int length = Math.Min(Chunk, depth - begin);
            for (int panel = 0; panel < count; panel++)
                source.Copy(left + panel * Width, begin, length, panels + panel * Chunk * Width);
            float* a = _packed + (long)_tiles * _height * begin;
            for (int first = 0; first < _m; first += _height, a += (long)_height * length)
            {
                int rows = Math.Min(_height, _m - first), height = TiledProduct<T, SinglePanels<T>>.Height(rows);
                byte* next = (byte*)(a + (long)_height * length);
                for (int panel = 0; panel < count; panel++)
                {
                    int column = left + panel * Width, width = Math.Min(Width, columns - column);
                    if (symmetric && first + rows <= column)
                        break;
                    float* b = panels + panel * Chunk * Width, target = c + (long)first * stride + column;
                    bool start = symmetric && begin == 0;
                    if (rows == height && width == Width)
                    {
                        TiledProduct<T, SinglePanels<T>>.Tile(height, length, a, b, target, stride, start, next, _height * sizeof(float));
                        continue;
                    }
                    // A tile that sticks out is made aside.
                    if (!start)
                        Copy(target, stride, corner, Width, rows, width);
                    TiledProduct<T, SinglePanels<T>>.Tile(height, length, a, b, corner, Width, start, next, _height * sizeof(float));
                    Copy(corner, Width, target, stride, rows, width);
                }
            }
        }
    }

    // Rows first … first + 31 left of the diagonal block become columns above it.
    private readonly void Mirror(float* matrix, int first) =>
        Transpose(matrix + (long)first * _strideM, _strideM, Math.Min(Width, _m - first), first, matrix + first, _strideM);

    private readonly void Combine(int first)
    {
        int last = Math.Min(first + Width, _m);
        for (int i = first; i < last; i++)
            LaneLoops<T>.Combine(_p + (long)i * _strideM, _b, _q + (long)i * _strideM, _c, last);
    }

    private readonly void ScaleColumns(int first)
    {
        int count = Math.Min(Width * PanelsPerBlock, _n - first);
        for (int i = 0; i < _m; i++)
            LaneLoops<T>.Scale(_x + (long)i * _strideN + first, _a, _y + (long)i * _strideN + first, count);
    }

    // target[k][r] = source[r][k]
    private static void Transpose(float* source, int sourceStride, int count, int length, float* target, int targetStride)
    {
        uint** rows = stackalloc uint*[Width];
        for (int r = 0; r < count; r++)
            rows[r] = (uint*)(source + (long)r * sourceStride);
        Transposition.Run(rows, count, length, (uint*)target, targetStride);
    }

    private static void Copy(float* source, long sourceStride, float* target, long targetStride, int rows, int columns)
    {
        for (int r = 0; r < rows; r++)
            new ReadOnlySpan<float>(source + r * sourceStride, columns).CopyTo(new Span<float>(target + r * targetStride, columns));
    }

    /// <summary>Makes panels [k][32] of a right operand.</summary>
    private interface IPanels
    {
        /// <summary>Columns <paramref name="column"/> … + 31 of rows <paramref name="begin"/> … + length − 1; zeros beyond the last column.</summary>
        void Copy(int column, int begin, int length, float* target);
    }

    /// <summary>The operand is Sᵀ.</summary>
    private readonly struct RowPanels(float* s, int stride, int columns) : IPanels
    {
        public void Copy(int column, int begin, int length, float* target)
        {
            int width = Math.Min(Width, columns - column);
            Transpose(s + (long)column * stride + begin, stride, width, length, target, Width);
            if (width == Width)
                return;
            for (int k = 0; k < length; k++)
                new Span<float>(target + k * Width + width, Width - width).Clear();
        }
    }

    /// <summary>The operand is S.</summary>
    private readonly struct ColumnPanels(float* s, int stride, int columns) : IPanels
    {
        public void Copy(int column, int begin, int length, float* target)
        {
            int width = Math.Min(Width, columns - column);
            float* source = s + (long)begin * stride + column;
            for (int k = 0; k < length; k++, source += stride, target += Width)
            {
                if (width == Width)
                {
                    T.Store(T.Load(source), target);
                    T.Store(T.Load(source + PanelLayout.Lanes), target + PanelLayout.Lanes);
                    continue;
                }
                new ReadOnlySpan<float>(source, width).CopyTo(new Span<float>(target, width));
                new Span<float>(target + width, Width - width).Clear();
            }
        }
    }
}
