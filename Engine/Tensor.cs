using System.Runtime.CompilerServices;

namespace Mellum2.Managed.Engine;

/// <summary>Makes a tensor whose memory has room for at least <paramref name="capacity"/> bytes: <see cref="Tensor.AllocateBytes"/>, or one like it.</summary>
/// <param name="type">The format of the elements.</param>
/// <param name="shape">The lengths of the dimensions.</param>
/// <param name="capacity">The bytes; 0 for those of the elements.</param>
public delegate Tensor TensorAllocator(DType type, Shape shape, long capacity = 0);

/// <summary>
/// A dense row-major array of numbers of one format on one device. Its identity matters: gradients are kept by
/// tensor. The bytes lie in native memory or in a mapped file and belong to whoever created the tensor.
/// </summary>
public sealed unsafe class Tensor : IDisposable
{
    private readonly IDisposable? _owner;
    private byte* _data;

    private Tensor(DType type, Shape shape, byte* data, long capacity, IDisposable? owner)
    {
        Type = type;
        Shape = shape;
        _data = data;
        CapacityBytes = capacity;
        _owner = owner;
    }

    /// <summary>The format of the elements.</summary>
    public DType Type { get; private set; }

    /// <summary>The lengths of the dimensions; the last one is contiguous.</summary>
    public Shape Shape { get; private set; }

    /// <summary>Where the bytes are.</summary>
    public Device Device { get; } = Device.Cpu;

    /// <summary>The number of elements.</summary>
    public long Count => Shape.Count;

    /// <summary>The bytes of the elements.</summary>
    public long ByteLength => Count * Type.Size();

    /// <summary>The bytes that the memory behind the tensor has.</summary>
    public long CapacityBytes { get; }

    /// <summary>The number of rows: the product of all dimensions but the last.</summary>
    public int Rows => Shape.Rows;

    /// <summary>The length of the last dimension.</summary>
    public int Columns => Shape.Columns;

    /// <summary>Whether there are bytes behind the tensor; see <see cref="WithoutMemory"/>.</summary>
    public bool HasMemory => _data is not null;

    /// <summary>The first byte.</summary>
    public byte* Data => _data;

    /// <summary>Allocates a tensor of zeros.</summary>
    public static Tensor Allocate(DType type, Shape shape) => AllocateBytes(type, shape, checked(shape.Count * type.Size()));

    /// <summary>Allocates a tensor whose memory has room for at least <paramref name="capacity"/> bytes.</summary>
    public static Tensor AllocateBytes(DType type, Shape shape, long capacity)
    {
        NativeBuffer buffer = new(Math.Max(capacity, checked(shape.Count * type.Size())));
        return new Tensor(type, shape, buffer.Pointer, buffer.ByteLength, buffer);
    }

    /// <summary>A tensor that only says how large it would be: for planning. Its elements must not be touched.</summary>
    public static Tensor WithoutMemory(DType type, Shape shape, long capacity = 0) =>
        new(type, shape, null, Math.Max(capacity, checked(shape.Count * type.Size())), null);

    /// <summary>A tensor over a mapped range of a file, which it owns from now on.</summary>
    public static Tensor OverView(DType type, Shape shape, MappedView view)
    {
        if (view.ByteLength != checked(shape.Count * type.Size()))
            throw new ArgumentException($"A view of {view.ByteLength} bytes cannot hold {shape} of {type}.", nameof(view));
        return new Tensor(type, shape, view.Pointer, view.ByteLength, view);
    }

    /// <summary>
    /// Rows <paramref name="firstRow"/> … of this tensor as a matrix over the same memory, which stays this tensor's.
    /// </summary>
    public Tensor RowsView(int firstRow, int count)
    {
        if (firstRow < 0 || count < 0 || firstRow > Rows - count)
            throw new ArgumentOutOfRangeException(nameof(firstRow), $"Rows {firstRow} to {firstRow + count} are not all in {this}.");
        Shape shape = new(count, Columns);
        long rowBytes = (long)Columns * Type.Size();
        return new Tensor(Type, shape, HasMemory ? _data + firstRow * rowBytes : null, count * rowBytes, null);
    }

    /// <summary>Copies <paramref name="values"/> into a new tensor.</summary>
    public static Tensor From<T>(DType type, Shape shape, ReadOnlySpan<T> values) where T : unmanaged
    {
        Tensor tensor = Allocate(type, shape);
        values.CopyTo(tensor.Span<T>());
        return tensor;
    }

    /// <summary>The elements as a pointer; <typeparamref name="T"/> must have their size.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T* Pointer<T>() where T : unmanaged
    {
        if (sizeof(T) != Type.Size())
            ThrowSize(sizeof(T));
        return (T*)_data;
    }

    /// <summary>The elements as a span; <typeparamref name="T"/> must have their size.</summary>
    public Span<T> Span<T>() where T : unmanaged => new(Pointer<T>(), checked((int)Count));

    /// <summary>
    /// Gives the same memory another format and shape. Only for the workspace that owns a pooled tensor: whoever
    /// holds the tensor sees the change.
    /// </summary>
    public void Reinterpret(DType type, Shape shape)
    {
        if (checked(shape.Count * type.Size()) > CapacityBytes)
            throw new ArgumentException($"{shape} of {type} does not fit into {CapacityBytes} bytes.", nameof(shape));
        Type = type;
        Shape = shape;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _data = null;
        _owner?.Dispose();
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Type}{Shape}";

    private void ThrowSize(int size) => throw new InvalidOperationException($"{this} has elements of {Type.Size()}, not {size} bytes.");
}
