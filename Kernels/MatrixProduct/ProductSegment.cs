using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>Consecutive rows of a product that meet one matrix.</summary>
internal unsafe struct ProductSegment
{
    /// <summary>The weights.</summary>
    public uint* Weights;

    /// <summary>The factors, null where there are none.</summary>
    public float* Scales;

    /// <summary>How many blocks of columns have factors.</summary>
    public int ScaleBlocks;

    /// <summary>The factors of a panel and block: 1, or one for each row.</summary>
    public int ScaleStep;

    /// <summary>The first row of y.</summary>
    public int FirstRow;

    /// <summary>The number of rows.</summary>
    public int Rows;

    /// <summary>The rows of a packed tile; the last one may be lower.</summary>
    public int TileHeight;

    /// <summary>The number of packed tiles.</summary>
    public int Tiles;

    /// <summary>The packed rows.</summary>
    public float* Packed;

    /// <summary>Rows <paramref name="firstRow"/> … + <paramref name="rows"/> − 1 of y are made with <paramref name="matrix"/>.</summary>
    public ProductSegment(WeightMatrix matrix, int firstRow, int rows)
    {
        this = default;
        Weights = (uint*)matrix.Data.Data;
        (FirstRow, Rows) = (firstRow, rows);
        ScaleBlocks = 1;
        ScaleStep = 1;
        if (matrix.Scales is { } scales)
        {
            Scales = scales.Values.Pointer<float>();
            ScaleBlocks = scales.Values.Shape[1];
            ScaleStep = scales.Kind == ScaleKind.PanelRow ? scales.Values.Shape[2] : 1;
        }
    }

    /// <summary>One panel of the segment's matrix.</summary>
    public readonly PanelView Panel(in PanelLayout layout, int panel) => new()
    {
        Weights = Weights + layout.Offset(panel),
        Width = layout.Width(panel),
        Group = layout.Group,
        Columns = layout.Columns,
        Scales = Scales == null ? null : Scales + (long)panel * ScaleBlocks * ScaleStep,
        ScaleBlocks = ScaleBlocks,
        ScaleStep = ScaleStep,
    };
}

/// <summary>The rows of x that a product reads: as they lie, or gathered by the order of a dispatch.</summary>
/// <param name="X">The activations.</param>
/// <param name="Columns">The length of a row.</param>
/// <param name="Order">The pair that each row of the product serves, or null.</param>
/// <param name="Slots">The pairs of a row of x.</param>
internal readonly unsafe record struct ProductRows(nint X, int Columns, nint Order, int Slots)
{
    /// <summary>The activations of row <paramref name="index"/> of the product.</summary>
    public float* Row(int index) =>
        (float*)X + (Order == 0 ? index : ((int*)Order)[index] / Slots) * (long)Columns;
}

/// <summary>Native memory that products keep between calls, so that none is allocated in a steady state.</summary>
internal sealed unsafe class ProductScratch(int workers)
{
    private readonly NativeBuffer?[] _worker = new NativeBuffer?[workers];
    private NativeBuffer? _packed;
    private NativeBuffer? _segments;

    /// <summary>Makes sure that each worker has room for <paramref name="floats"/> floats, whether it gets work or not.</summary>
    public void Reserve(long floats)
    {
        for (int worker = 0; worker < _worker.Length; worker++)
            Grow(ref _worker[worker], floats * sizeof(float));
    }

    /// <summary>The memory of one worker.</summary>
    public float* Worker(int worker) => (float*)_worker[worker]!.Pointer;

    /// <summary>The packed rows of a call.</summary>
    public float* Packed(long floats) => (float*)Grow(ref _packed, floats * sizeof(float));

    /// <summary>The segments of a call.</summary>
    public ProductSegment* Segments(int count) => (ProductSegment*)Grow(ref _segments, (long)count * sizeof(ProductSegment));

    private static byte* Grow(ref NativeBuffer? buffer, long bytes)
    {
        if (buffer is null || buffer.ByteLength < bytes)
        {
            buffer?.Dispose();
            buffer = null;
            // Half as much again, so that slowly growing batches do not allocate each time.
            buffer = new NativeBuffer(bytes + bytes / 2);
        }
        return buffer.Pointer;
    }
}
