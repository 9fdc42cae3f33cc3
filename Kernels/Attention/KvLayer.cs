using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>
/// The keys and values of one attention layer and one sequence. Position p lies in slot p mod <see cref="Slots"/>:
/// a layer with a sliding window keeps a ring, a layer with full attention has a slot for every position and grows.
/// Blocks of 16 slots hold, for each KV head, the keys dimension by dimension ([head][dimension][16 slots]: sixteen
/// scores are one vector) and the values slot by slot ([head][16 slots][dimension]).
/// Keys and values are rounded to <see cref="Format"/> when they are written, before any attention reads them.
/// </summary>
public sealed class KvLayer : IDisposable
{
    private readonly TensorAllocator _allocate;

    /// <summary>The slots of a block.</summary>
    public const int BlockSlots = 16;

    /// <summary>Attention walks the keys in tiles of this many positions, aligned to position 0 of the sequence.</summary>
    public const int TileSlots = 64;

    /// <summary>Creates an empty layer.</summary>
    /// <param name="heads">KV heads.</param>
    /// <param name="dimension">The width of a head.</param>
    /// <param name="format">F64 (reference), F32 or BF16.</param>
    /// <param name="slots">The slots to begin with; rounded up to whole tiles.</param>
    /// <param name="allocate">Where memory comes from; null for <see cref="Tensor.AllocateBytes"/>.</param>
    public KvLayer(int heads, int dimension, DType format, int slots, TensorAllocator? allocate = null)
    {
        _allocate = allocate ?? Tensor.AllocateBytes;
        if (format is not (DType.F64 or DType.F32 or DType.BF16))
            throw new ArgumentException($"A cache holds F64, F32 or BF16, not {format}.", nameof(format));
        (Heads, Dimension, Format) = (heads, dimension, format);
        Slots = RoundUp(slots);
        (Keys, Values) = AllocateBoth(Slots);
    }

    /// <summary>KV heads.</summary>
    public int Heads { get; }

    /// <summary>The width of a head.</summary>
    public int Dimension { get; }

    /// <summary>The format of keys and values.</summary>
    public DType Format { get; }

    /// <summary>How many positions there is room for, a multiple of <see cref="TileSlots"/>.</summary>
    public int Slots { get; private set; }

    /// <summary>The keys: [slots / 16, heads, dimension, 16].</summary>
    public Tensor Keys { get; private set; }

    /// <summary>The values: [slots / 16, heads, 16, dimension].</summary>
    public Tensor Values { get; private set; }

    /// <summary>The bytes of keys and values.</summary>
    public long ByteLength => BytesFor(Heads, Dimension, Format, Slots);

    /// <summary>The bytes that a layer with <paramref name="slots"/> slots takes.</summary>
    public static long BytesFor(int heads, int dimension, DType format, int slots) =>
        checked(2L * RoundUp(slots) * heads * dimension * format.Size());

    /// <summary>The whole tiles that hold <paramref name="slots"/> slots.</summary>
    public static int RoundUp(int slots) => checked((slots + TileSlots - 1) / TileSlots * TileSlots);

    /// <summary>Where the key element of (slot, head, dimension) lies in <see cref="Keys"/>.</summary>
    public long KeyIndex(int slot, int head, int d) =>
        (((long)(slot / BlockSlots) * Heads + head) * Dimension + d) * BlockSlots + slot % BlockSlots;

    /// <summary>Where the value element of (slot, head, dimension) lies in <see cref="Values"/>.</summary>
    public long ValueIndex(int slot, int head, int d) =>
        (((long)(slot / BlockSlots) * Heads + head) * BlockSlots + slot % BlockSlots) * Dimension + d;

    /// <summary>Makes room for at least <paramref name="slots"/> positions. Only for layers that are no ring.</summary>
    public void Grow(int slots)
    {
        slots = RoundUp(slots);
        if (slots <= Slots)
            return;
        (Tensor keys, Tensor values) = AllocateBoth(slots);
        Keys.CopyRowsTo(0, Keys.Rows, keys, 0);
        Values.CopyRowsTo(0, Values.Rows, values, 0);
        Keys.Dispose();
        Values.Dispose();
        (Keys, Values, Slots) = (keys, values, slots);
    }

    /// <summary>Checks that a backward pass over <paramref name="rows"/> finds all their keys here.</summary>
    internal void CheckWholeSequence(SequenceRows rows)
    {
        if (rows.Position != 0 || rows.Count > Slots)
            throw new ArgumentException($"The backward of attention takes a whole sequence from position 0 on, not {rows.Count} rows from position {rows.Position} and a cache of {Slots} slots.", nameof(rows));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Keys.Dispose();
        Values.Dispose();
    }

    // Both or none: keys alone are of no use.
    private (Tensor Keys, Tensor Values) AllocateBoth(int slots)
    {
        Shape shape = new(slots / BlockSlots, Heads, Dimension, BlockSlots);
        Tensor keys = _allocate(Format, shape);
        try
        {
            return (keys, _allocate(Format, shape));
        }
        catch
        {
            keys.Dispose();
            throw;
        }
    }
}
