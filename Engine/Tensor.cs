using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Mellum2.Managed.Engine;

/// <summary>Makes a tensor whose memory has room for at least <paramref name="capacity"/> bytes: <see cref="Tensor.AllocateBytes"/>, or one like it.</summary>
/// <param name="type">The format of the elements.</param>
/// <param name="shape">The lengths of the dimensions.</param>
/// <param name="capacity">The bytes; 0 for those of the elements.</param>
public delegate Tensor TensorAllocator(DType type, Shape shape, long capacity = 0);

/// <summary>
/// A dense row-major array of numbers of one format on one device. Its identity matters: gradients are kept by
/// tensor. The bytes lie in native memory, in a mapped file or in the memory of a device, and belong to whoever created
/// the tensor. <see cref="Read"/>, <see cref="Write"/> and <see cref="CopyRowsTo"/> work wherever they are; pointers and spans
/// are for tensors of <see cref="Device.Cpu"/>.
/// </summary>
public sealed unsafe class Tensor : IDisposable
{
    private readonly IDisposable? _owner;
    private readonly GpuMemory? _memory;
    private byte* _data;

    private Tensor(DType type, Shape shape, byte* data, long capacity, IDisposable? owner)
    {
        Type = type;
        Shape = shape;
        _data = data;
        CapacityBytes = capacity;
        _owner = owner;
    }

    private Tensor(DType type, Shape shape, GpuMemory memory, long offset, long capacity, IDisposable? owner)
    {
        Type = type;
        Shape = shape;
        _memory = memory;
        ByteOffset = offset;
        CapacityBytes = capacity;
        _owner = owner;
    }

    /// <summary>The format of the elements.</summary>
    public DType Type { get; private set; }

    /// <summary>The lengths of the dimensions; the last one is contiguous.</summary>
    public Shape Shape { get; private set; }

    /// <summary>Where the bytes are.</summary>
    public Device Device => _memory is null ? Device.Cpu : _memory.Device;

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
    public bool HasMemory => _data is not null || _memory is not null;

    /// <summary>The first byte; not for tensors on a device.</summary>
    public byte* Data
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            if (_memory is not null)
                ThrowElsewhere();
            return _data;
        }
    }

    /// <summary>The block of a device's memory; only for tensors on a device.</summary>
    internal GpuMemory Memory => _memory ?? throw new InvalidOperationException($"{this} is in the memory of the process, not on a device.");

    /// <summary>Where in <see cref="Memory"/> the first element is.</summary>
    internal long ByteOffset { get; }

    /// <summary>Allocates a tensor: of zeros in the memory of the process, of anything on a device.</summary>
    public static Tensor Allocate(DType type, Shape shape, Device? device = null) =>
        (device ?? Device.Cpu).Allocate(type, shape);

    /// <summary>Allocates a tensor whose memory has room for at least <paramref name="capacity"/> bytes.</summary>
    public static Tensor AllocateBytes(DType type, Shape shape, long capacity)
    {
        NativeBuffer buffer = new(Math.Max(capacity, checked(shape.Count * type.Size())));
        return new Tensor(type, shape, buffer.Pointer, buffer.ByteLength, buffer);
    }

    /// <summary>A tensor on a device whose memory has room for at least <paramref name="capacity"/> bytes.</summary>
    internal static Tensor OnDevice(DType type, Shape shape, long capacity, GpuDevice device)
    {
        GpuMemory memory = device.AllocateMemory(Math.Max(capacity, checked(shape.Count * type.Size())));
        return new Tensor(type, shape, memory, 0, memory.ByteLength, memory);
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
        if (_memory is not null)
            return new Tensor(Type, shape, _memory, ByteOffset + firstRow * rowBytes, count * rowBytes, null);
        return new Tensor(Type, shape, HasMemory ? _data + firstRow * rowBytes : null, count * rowBytes, null);
    }

    /// <summary>As <see cref="RowsView"/>; the view owns the memory from now on, and this tensor is not used any more.</summary>
    public Tensor OwningRowsView(int firstRow, int count)
    {
        using Tensor view = RowsView(firstRow, count);
        return view._memory is { } memory
            ? new Tensor(view.Type, view.Shape, memory, view.ByteOffset, view.CapacityBytes, _owner)
            : new Tensor(view.Type, view.Shape, view._data, view.CapacityBytes, _owner);
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
        return (T*)Data;
    }

    /// <summary>The elements as a span; <typeparamref name="T"/> must have their size.</summary>
    public Span<T> Span<T>() where T : unmanaged => new(Pointer<T>(), checked((int)Count));

    /// <summary>
    /// Writes elements from the host; on a device the copy is queued behind earlier work, and the values may be changed at once.
    /// </summary>
    /// <param name="values">As many elements as are written; <typeparamref name="T"/> has their size.</param>
    /// <param name="first">The place of the first.</param>
    public void Write<T>(ReadOnlySpan<T> values, long first = 0) where T : unmanaged
    {
        CheckRange(sizeof(T), first, values.Length);
        if (_memory is null)
            values.CopyTo(new Span<T>((T*)_data + first, values.Length));
        else
            _memory.Device.Write(_memory, ByteOffset + first * sizeof(T), MemoryMarshal.AsBytes(values));
    }

    /// <summary>Reads elements to the host; on a device this waits for everything that was queued before.</summary>
    /// <param name="values">As many elements as are read; <typeparamref name="T"/> has their size.</param>
    /// <param name="first">The place of the first.</param>
    public void Read<T>(Span<T> values, long first = 0) where T : unmanaged
    {
        CheckRange(sizeof(T), first, values.Length);
        if (_memory is null)
            new ReadOnlySpan<T>((T*)_data + first, values.Length).CopyTo(values);
        else
            _memory.Device.Read(_memory, ByteOffset + first * sizeof(T), MemoryMarshal.AsBytes(values));
    }

    /// <summary>A copy of the bytes of all elements, wherever they are.</summary>
    public byte[] ToBytes()
    {
        byte[] bytes = new byte[ByteLength];
        fixed (byte* target = bytes)
        {
            if (_memory is null)
                Buffer.MemoryCopy(_data, target, bytes.LongLength, bytes.LongLength);
            else
                _memory.Read(ByteOffset, target, bytes.LongLength);
        }
        return bytes;
    }

    /// <summary>
    /// Copies rows to another tensor of the same format and row length, wherever both are, or to other rows of this one, where
    /// the ranges may overlap. Only a copy from a device to the host waits.
    /// </summary>
    public void CopyRowsTo(int firstRow, int count, Tensor target, int targetRow)
    {
        if (target.Type != Type || target.Columns != Columns)
            throw new ArgumentException($"Rows of {this} cannot be copied to {target}.", nameof(target));
        if (firstRow < 0 || count < 0 || firstRow > Rows - count || targetRow < 0 || targetRow > target.Rows - count)
            throw new ArgumentOutOfRangeException(
                nameof(count), $"Rows {firstRow} to {firstRow + count} of {this} have no place from row {targetRow} on in {target}.");
        long rowBytes = (long)Columns * Type.Size(), bytes = count * rowBytes;
        long from = ByteOffset + firstRow * rowBytes, to = target.ByteOffset + targetRow * rowBytes;
        if (_memory is not null && target._memory is not null)
            _memory.CopyTo(from, target._memory, to, bytes);
        else if (target._memory is not null)
            target._memory.Write(to, _data + from, bytes);
        else if (_memory is not null)
            _memory.Read(from, target._data + to, bytes);
        else
            Buffer.MemoryCopy(_data + from, target._data + to, bytes, bytes);
    }

    /// <summary>A copy of this tensor on <paramref name="device"/>, which may be the same.</summary>
    public Tensor CopyTo(Device device)
    {
        Tensor copy = Allocate(Type, Shape, device);
        CopyRowsTo(0, Rows, copy, 0);
        return copy;
    }

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

    private void CheckRange(int size, long first, int count)
    {
        if (size != Type.Size())
            ThrowSize(size);
        if (first < 0 || first > Count - count)
            throw new ArgumentOutOfRangeException(nameof(first), $"Elements {first} to {first + count} are not all in {this}.");
    }

    private void ThrowElsewhere() => throw new InvalidOperationException($"{this} is on {Device}; the host reaches it by reading and writing only.");

    private void ThrowSize(int size) => throw new InvalidOperationException($"{this} has elements of {Type.Size()}, not {size} bytes.");
}
