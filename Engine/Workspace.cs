namespace Mellum2.Managed.Engine;

/// <summary>Hands out activations. The model asks for each one and marks its last use.</summary>
public interface IWorkspace
{
    /// <summary>A tensor of this format and shape; its contents are undefined.</summary>
    Tensor Rent(DType type, Shape shape);

    /// <summary>Marks the last use of <paramref name="tensor"/> in the forward pass.</summary>
    void Release(Tensor tensor);
}

/// <summary>
/// The workspace of inference: released memory is handed out again at once, so that a pass whose shapes have been
/// seen before allocates nothing. Work on a device is queued in order, so memory may be handed out again before it is done.
/// Not thread-safe: one pass at a time.
/// </summary>
/// <param name="allocate">Where memory comes from; null for <see cref="Tensor.AllocateBytes"/>.</param>
public sealed class PooledWorkspace(TensorAllocator? allocate = null) : IWorkspace, IDisposable
{
    // Capacities are rounded up to a quarter of a power of two: at most 25 % is wasted and shapes of similar size
    // share their memory.
    private const int StepsPerOctave = 4;
    private readonly Stack<Tensor>[] _free = new Stack<Tensor>[64 * StepsPerOctave];
    private readonly List<Tensor> _all = [];
    private readonly TensorAllocator _allocate = allocate ?? Tensor.AllocateBytes;

    /// <summary>The bytes that the workspace holds, in use or not.</summary>
    public long ByteLength { get; private set; }

    /// <inheritdoc/>
    public Tensor Rent(DType type, Shape shape)
    {
        long bytes = Math.Max(checked(shape.Count * type.Size()), 64);
        int bucket = Bucket(bytes, out long capacity);
        if (_free[bucket] is { Count: > 0 } stack)
        {
            Tensor reused = stack.Pop();
            reused.Reinterpret(type, shape);
            return reused;
        }
        Tensor created = _allocate(type, shape, capacity);
        _all.Add(created);
        ByteLength += capacity;
        return created;
    }

    /// <inheritdoc/>
    public void Release(Tensor tensor) => (_free[Bucket(tensor.CapacityBytes, out _)] ??= new Stack<Tensor>(8)).Push(tensor);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Tensor tensor in _all)
            tensor.Dispose();
        _all.Clear();
    }

    private static int Bucket(long bytes, out long capacity)
    {
        int octave = 63 - (int)long.LeadingZeroCount(bytes);
        long step = Math.Max((1L << octave) / StepsPerOctave, 1);
        long steps = (bytes - (1L << octave) + step - 1) / step;
        capacity = (1L << octave) + steps * step;
        return octave * StepsPerOctave + (int)steps;
    }
}
