using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>What the jobs of a backward pass of attention share.</summary>
internal unsafe struct AttentionBackwardCall
{
    public float* Query;
    public float* DOutput;
    public float* LogSumExp;
    public float* Deltas;
    public byte* Keys;
    public byte* Values;
    public SequenceRows Rows;
    public AttentionParameters Parameters;
    public int Heads;
    public int Dimension;

    /// <summary>The query heads of a KV head.</summary>
    public readonly int Group => Parameters.QueryHeads / Heads;

    /// <summary>The row length of packed queries and keys: whole vectors.</summary>
    public readonly int Padded => (Dimension + 15) / 16 * 16;

    /// <summary>How many batches of queries a KV head has.</summary>
    public readonly int Batches => checked((int)(((long)Rows.Count * Group + KvLayer.TileSlots - 1) / KvLayer.TileSlots));

    /// <summary>How many tiles of keys there are.</summary>
    public readonly int Tiles => (Rows.Count + KvLayer.TileSlots - 1) / KvLayer.TileSlots;

    /// <summary>The first key that a row sees.</summary>
    public readonly int FirstKey(int row) => Parameters.Window == 0 ? 0 : Math.Max(0, row - Parameters.Window + 1);

    /// <summary>The last row that sees a key.</summary>
    public readonly int LastRow(int key) => Parameters.Window == 0 ? Rows.Count - 1 : Math.Min(Rows.Count - 1, key + Parameters.Window - 1);

    /// <summary>The (row, query head) of query <paramref name="index"/> of a KV head: the heads of a row, then those of the next.</summary>
    public readonly long Place(int head, int index) =>
        (long)(Rows.FirstRow + index / Group) * Parameters.QueryHeads + head * Group + index % Group;

    /// <summary>Writes the sums of consecutive queries of a KV head to dq.</summary>
    public readonly void StoreQueries(int head, int first, int count, float* sums, float* dq)
    {
        for (int i = 0; i < count; i++)
            new ReadOnlySpan<float>(sums + (long)i * Padded, Dimension).CopyTo(new Span<float>(dq + Place(head, first + i) * Dimension, Dimension));
    }
}

/// <summary>
/// Up to 64 queries of one KV head and 64 keys: their weights p and ds, and how they reach the gradients. Everything is
/// packed into a worker's scratch memory, so that the tile loops of the forward pass serve here too.
/// </summary>
internal readonly unsafe struct AttentionBackwardTile<T, TCache> where T : struct, ILanes<T> where TCache : struct, ICacheFormat
{
    private const int Tile = KvLayer.TileSlots;
    private const int Block = KvLayer.BlockSlots;

    private readonly AttentionBackwardCall _call;
    private readonly float* _keyColumns, _keyRows, _valueColumns, _valueRows;
    private readonly float* _queries, _gradients, _lse, _deltas;
    private readonly float* _p, _ds, _transposed;

    /// <summary>Divides the scratch memory of a worker.</summary>
    public AttentionBackwardTile(in AttentionBackwardCall call, float* scratch)
    {
        _call = call;
        int rows = Tile * call.Padded;
        _keyColumns = scratch;
        _keyRows = _keyColumns + rows;
        _valueColumns = _keyRows + rows;
        _queries = _valueColumns + rows;
        _gradients = _queries + rows;
        First = _gradients + rows;
        Second = First + rows;
        _valueRows = Second + rows;
        _p = _valueRows + Block * call.Padded;
        _ds = _p + Tile * Tile;
        _transposed = _ds + Tile * Tile;
        _lse = _transposed + Tile * Tile;
        _deltas = _lse + Tile;
    }

    /// <summary>Sums of 64 rows: of dq, or of dk.</summary>
    public float* First { get; }

    /// <summary>Sums of 64 rows: of dv.</summary>
    public float* Second { get; }

    /// <summary>The floats of a worker.</summary>
    public static long ScratchFloats(in AttentionBackwardCall call) => (7L * Tile + Block) * call.Padded + 3 * Tile * Tile + 2 * Tile;

    /// <summary>Brings the keys and values of a tile into rows and columns of float32; slots beyond the sequence are zero.</summary>
    public void LoadKeys(int head, int tile)
    {
        int dimension = _call.Dimension, padded = _call.Padded;
        uint** rows = stackalloc uint*[Math.Max(dimension, Block)];
        if (padded != dimension)
            new Span<float>(_keyRows, Tile * padded).Clear();
        for (int block = 0; block < Tile / Block; block++)
        {
            long source = ((long)(tile * (Tile / Block) + block) * _call.Heads + head) * dimension * Block * TCache.Size;
            int valid = Math.Clamp(_call.Rows.Count - tile * Tile - block * Block, 0, Block);
            float* columns = _keyColumns + block * dimension * Block;
            for (int i = 0; i < dimension * Block; i += 16)
            {
                T.Store(TCache.Load<T>(_call.Keys + source + i * TCache.Size), columns + i);
                T.Store(TCache.Load<T>(_call.Values + source + i * TCache.Size), _valueRows + i);
            }
            if (valid < Block)
            {
                for (int d = 0; d < dimension; d++)
                    new Span<float>(columns + d * Block + valid, Block - valid).Clear();
                new Span<float>(_valueRows + valid * dimension, (Block - valid) * dimension).Clear();
            }
            for (int d = 0; d < dimension; d++)
                rows[d] = (uint*)(columns + d * Block);
            Transposition.Run(rows, dimension, Block, (uint*)(_keyRows + block * Block * padded), padded);
            for (int j = 0; j < Block; j++)
                rows[j] = (uint*)(_valueRows + j * dimension);
            Transposition.Run(rows, Block, dimension, (uint*)(_valueColumns + block * dimension * Block), Block);
        }
    }

    /// <summary>Brings a batch of queries and their output gradients into consecutive rows; returns how many there are.</summary>
    public int LoadQueries(int head, int batch)
    {
        int dimension = _call.Dimension, padded = _call.Padded, first = batch * Tile;
        int count = Math.Min(Tile, _call.Rows.Count * _call.Group - first);
        if (count < Tile || padded != dimension)
        {
            new Span<float>(_queries, Tile * padded).Clear();
            new Span<float>(_gradients, Tile * padded).Clear();
        }
        for (int i = 0; i < count; i++)
        {
            long place = _call.Place(head, first + i);
            new ReadOnlySpan<float>(_call.Query + place * dimension, dimension).CopyTo(new Span<float>(_queries + i * padded, dimension));
            new ReadOnlySpan<float>(_call.DOutput + place * dimension, dimension).CopyTo(new Span<float>(_gradients + i * padded, dimension));
            _lse[i] = _call.LogSumExp[place];
            _deltas[i] = _call.Deltas[place];
        }
        return count;
    }

    /// <summary>p and ds of the loaded queries and keys; 0 where a query does not see a key of a block that it sees.</summary>
    public void Weigh(int batch, int tile, int count)
    {
        int dimension = _call.Dimension, padded = _call.Padded;
        long blockBytes = (long)dimension * Block * sizeof(float);
        float* index = stackalloc float[Tile];
        for (int j = 0; j < Tile; j++)
            index[j] = j;
        for (int first = 0; first < count; first += 4)
        {
            Keys(batch, tile, first, count, out int firstKey, out int endKey);
            int firstBlock = firstKey / Block, endBlock = (endKey + Block - 1) / Block;
            Scores(_queries + first * padded, _keyColumns, _p + first * Tile, firstBlock, endBlock);
            Scores(_gradients + first * padded, _valueColumns, _ds + first * Tile, firstBlock, endBlock);
            for (int i = first; i < first + 4; i++)
            {
                int row = (batch * Tile + i) / _call.Group, begin = _call.FirstKey(row) - tile * Tile;
                int end = i < count ? row + 1 - tile * Tile : 0;
                T low = T.Broadcast(begin), high = T.Broadcast(end), scale = T.Broadcast(_call.Parameters.Scale);
                T lse = T.Broadcast(i < count ? _lse[i] : 0), delta = T.Broadcast(i < count ? _deltas[i] : 0);
                for (int j = firstBlock * Block; j < endBlock * Block; j += 16)
                {
                    float* p = _p + i * Tile + j;
                    float* ds = _ds + i * Tile + j;
                    T at = T.Load(index + j), weight = LaneMath<T>.Exp(T.Load(p) * scale - lse);
                    T gradient = weight * (T.Load(ds) - delta) * scale;
                    T.Store(Visible(at, low, high, weight), p);
                    T.Store(Visible(at, low, high, gradient), ds);
                }
            }
        }

        void Scores(float* q, float* columns, float* scores, int begin, int end)
        {
            if (begin < end)
                AttentionTiles<T, Float32Cache>.Scores4(
                    q, q + padded, q + 2 * padded, q + 3 * padded, (byte*)columns, blockBytes, begin, end, dimension, scores);
        }
    }

    // The keys of a tile that four queries of a batch see, one or another of them.
    private void Keys(int batch, int tile, int first, int count, out int begin, out int end)
    {
        int firstRow = (batch * Tile + first) / _call.Group, lastRow = (batch * Tile + Math.Min(first + 3, count - 1)) / _call.Group;
        begin = Math.Max(_call.FirstKey(firstRow) - tile * Tile, 0);
        end = Math.Min(lastRow + 1 - tile * Tile, Tile);
    }

    /// <summary>sums += ds·k, for dq.</summary>
    public void AddToQueries(int batch, int tile, int count, float* sums)
    {
        for (int i = 0; i < count; i += 4)
        {
            Keys(batch, tile, i, count, out int begin, out int end);
            AddRows(_ds, _keyRows, i, begin, end, sums);
        }
    }

    /// <summary>
    /// A tile of keys and all queries that see it: writes dk and dv, and adds to the sums of dq, where there are any, rows of
    /// all queries of the head.
    /// </summary>
    public void Walk(int head, int tile, float* dk, float* dv, float* querySums)
    {
        int padded = _call.Padded, dimension = _call.Dimension, first = tile * Tile, count = Math.Min(Tile, _call.Rows.Count - first);
        LoadKeys(head, tile);
        new Span<float>(First, Tile * padded).Clear();
        new Span<float>(Second, Tile * padded).Clear();
        long lastQuery = (long)(_call.LastRow(first + count - 1) + 1) * _call.Group - 1;
        for (int batch = (int)((long)first * _call.Group / Tile); batch <= lastQuery / Tile; batch++)
        {
            int queries = LoadQueries(head, batch);
            Weigh(batch, tile, queries);
            if (querySums != null)
                AddToQueries(batch, tile, queries, querySums + (long)batch * Tile * padded);
            AddToKeys(batch, tile, queries);
        }
        for (int j = 0; j < count; j++)
        {
            long place = ((long)(_call.Rows.FirstRow + first + j) * _call.Heads + head) * dimension;
            new ReadOnlySpan<float>(First + j * padded, dimension).CopyTo(new Span<float>(dk + place, dimension));
            new ReadOnlySpan<float>(Second + j * padded, dimension).CopyTo(new Span<float>(dv + place, dimension));
        }
    }

    /// <summary><see cref="First"/> += dsᵀ·q and <see cref="Second"/> += pᵀ·dout, for dk and dv.</summary>
    public void AddToKeys(int batch, int tile, int count)
    {
        AddToKeys(batch, tile, count, _ds, _queries, First);
        AddToKeys(batch, tile, count, _p, _gradients, Second);
    }

    private void AddToKeys(int batch, int tile, int count, float* weights, float* rows, float* sums)
    {
        Transpose(weights, (count + 3) / 4 * 4);
        for (int j = 0; j < Tile; j += 4)
        {
            // The queries that see one of four keys; each of them has weights for all four.
            int key = tile * Tile + j;
            if (key >= _call.Rows.Count)
                break;
            long first = (long)key * _call.Group - (long)batch * Tile;
            long end = (long)(_call.LastRow(Math.Min(key + 3, _call.Rows.Count - 1)) + 1) * _call.Group - (long)batch * Tile;
            AddRows(_transposed, rows, j, (int)Math.Max(first, 0), (int)Math.Min(end, count), sums);
        }
    }

    private void Transpose(float* weights, int count)
    {
        uint** rows = stackalloc uint*[Tile];
        for (int i = 0; i < count; i++)
            rows[i] = (uint*)(weights + i * Tile);
        Transposition.Run(rows, count, Tile, (uint*)_transposed, Tile);
    }

    // target[i] += Σ_j weights[i][j]·rows[j] over j from begin to end − 1 for i and the next three, one chain for each element.
    private void AddRows(float* weights, float* rows, int i, int begin, int end, float* target)
    {
        int padded = _call.Padded;
        if (begin < end)
            AttentionTiles<T, Float32Cache>.Values4(
                weights + i * Tile, (byte*)rows, (long)Block * padded * sizeof(float), begin, end, padded, target + i * padded, padded);
    }

    private static T Visible(T index, T begin, T end, T value) => T.SelectLess(index, begin, T.Zero, T.SelectLess(index, end, value, T.Zero));
}
