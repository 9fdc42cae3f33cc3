using ILGPU;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>A <see cref="KvLayer"/> as kernels see it.</summary>
internal struct CacheView
{
    /// <summary>[slots / 16, heads, dimension, 16] in the cache's format.</summary>
    public ArrayView<uint> Keys;

    /// <summary>[slots / 16, heads, 16, dimension] in the cache's format.</summary>
    public ArrayView<uint> Values;

    /// <summary>Position p lies in slot p mod slots, a multiple of <see cref="KvLayer.TileSlots"/>.</summary>
    public int Slots;

    /// <summary>KV heads.</summary>
    public int Heads;

    /// <summary>The width of a head.</summary>
    public int Dimension;

    /// <summary>The layer.</summary>
    public static CacheView Of(KvLayer layer) => new()
    {
        Keys = layer.Keys.Units<uint>(),
        Values = layer.Values.Units<uint>(),
        Slots = layer.Slots,
        Heads = layer.Heads,
        Dimension = layer.Dimension,
    };

    /// <summary>See <see cref="KvLayer.KeyIndex"/>.</summary>
    public readonly long KeyIndex(int slot, int head, int d) =>
        (((long)(slot / KvLayer.BlockSlots) * Heads + head) * Dimension + d) * KvLayer.BlockSlots + slot % KvLayer.BlockSlots;

    /// <summary>See <see cref="KvLayer.ValueIndex"/>.</summary>
    public readonly long ValueIndex(int slot, int head, int d) =>
        (((long)(slot / KvLayer.BlockSlots) * Heads + head) * KvLayer.BlockSlots + slot % KvLayer.BlockSlots) * Dimension + d;
}

/// <summary>The position of a batch's first row in its sequence, by value or in the memory of the device.</summary>
internal struct PositionView
{
    private ArrayView<int> _start;
    private int _hasStart;
    private int _position;

    /// <summary>The position; only kernels can read it.</summary>
    public readonly int First => _hasStart != 0 ? _start[0] : _position;

    /// <summary>The position of <paramref name="rows"/>.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="valid">A tensor to point at where there is nothing to read: OpenCL takes no empty views.</param>
    public static PositionView Of(SequenceRows rows, Tensor valid) => rows.Start is { } start
        ? new PositionView { _start = start.View<int>(), _hasStart = 1 }
        : new PositionView { _start = valid.Memory.Elements<int>(valid.ByteOffset, 1), _position = rows.Position };
}

/// <summary>A kernel for each format of caches.</summary>
internal sealed class CacheKernels<T>(string name, Action<T> f32, Action<T> bf16) where T : struct
{
    private readonly GpuKernel<T> _f32 = new($"{name}/F32", f32);
    private readonly GpuKernel<T> _bf16 = new($"{name}/BF16", bf16);

    /// <summary>All of them.</summary>
    public IEnumerable<IGpuKernel> All => [_f32, _bf16];

    /// <summary>The kernel for <paramref name="format"/>.</summary>
    public GpuKernel<T> For(DType format) => format switch
    {
        DType.F32 => _f32,
        DType.BF16 => _bf16,
        _ => throw new ArgumentException($"There is no kernel for caches of {format.Name()}.", nameof(format)),
    };
}
