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
/// Passes of other sizes have memory of their own; where memory is planned, <see cref="Reserve"/> says how much may be held.
/// Not thread-safe: one pass at a time.
/// </summary>
/// <param name="allocate">Where memory comes from; null for <see cref="Tensor.AllocateBytes"/>.</param>
public sealed class PooledWorkspace(TensorAllocator? allocate = null) : IWorkspace, IDisposable
{
    // Capacities are rounded up to a quarter of a power of two: at most 25 % is wasted and shapes of similar size
    // share their memory.
    private const int StepsPerOctave = 4;
    private readonly Shelf?[] _shelves = new Shelf?[64 * StepsPerOctave];
    private readonly TensorAllocator _allocate = allocate ?? Tensor.AllocateBytes;
    private long _reserved;

    /// <summary>The bytes that the workspace holds, in use or not.</summary>
    public long ByteLength { get; private set; }

    /// <summary>
    /// Says that its users have planned with so many bytes, which is enough for any of their passes: before it would hold more, it
    /// gives back what is not in use. The largest of several plans counts; without one everything is kept.
    /// </summary>
    /// <param name="bytes">The plan.</param>
    public void Reserve(long bytes) => _reserved = Math.Max(_reserved, bytes);

    /// <inheritdoc/>
    public Tensor Rent(DType type, Shape shape)
    {
        long bytes = Math.Max(checked(shape.Count * type.Size()), 64);
        int bucket = Bucket(bytes, out long capacity);
        Shelf shelf = _shelves[bucket] ??= new Shelf();
        if (shelf.TakeFirst() is { } reused)
        {
            reused.Reinterpret(type, shape);
            return reused;
        }
        if (_reserved > 0 && ByteLength + capacity > _reserved)
            Trim();
        Tensor created = _allocate(type, shape, capacity);
        shelf.Add(created);
        ByteLength += capacity;
        return created;
    }

    /// <inheritdoc/>
    public void Release(Tensor tensor)
    {
        if (_shelves[Bucket(tensor.CapacityBytes, out _)]?.PutBack(tensor) != true)
            throw new ArgumentException($"{tensor} is not in use by this workspace.", nameof(tensor));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Shelf? shelf in _shelves)
            shelf?.Dispose();
        Array.Clear(_shelves);
    }

    private void Trim()
    {
        bool waited = false;
        foreach (Shelf? shelf in _shelves)
        {
            while (shelf?.Remove() is { } free)
            {
                // What was queued may still use it.
                if (!waited && free.Device is GpuDevice device)
                    device.Synchronize();
                waited = true;
                ByteLength -= free.CapacityBytes;
                free.Dispose();
            }
        }
    }

    private static int Bucket(long bytes, out long capacity)
    {
        int octave = 63 - (int)long.LeadingZeroCount(bytes);
        long step = Math.Max((1L << octave) / StepsPerOctave, 1);
        long steps = (bytes - (1L << octave) + step - 1) / step;
        capacity = (1L << octave) + steps * step;
        return octave * StepsPerOctave + (int)steps;
    }

    /// <summary>
    /// The tensors of one capacity. The oldest that is free goes out first, so that a pass gets the same memory every time, and what
    /// is queued on a device is the same for every token.
    /// </summary>
    private sealed class Shelf : IDisposable
    {
        private readonly List<Tensor> _tensors = new(8);
        private readonly List<bool> _free = new(8);

        public Tensor? TakeFirst()
        {
            int first = _free.IndexOf(true);
            if (first < 0)
                return null;
            _free[first] = false;
            return _tensors[first];
        }

        public void Add(Tensor inUse)
        {
            _tensors.Add(inUse);
            _free.Add(false);
        }

        /// <summary>Takes out a tensor that is free, for good.</summary>
        public Tensor? Remove()
        {
            int first = _free.IndexOf(true);
            if (first < 0)
                return null;
            Tensor tensor = _tensors[first];
            _tensors.RemoveAt(first);
            _free.RemoveAt(first);
            return tensor;
        }

        public bool PutBack(Tensor tensor)
        {
            for (int i = 0; i < _tensors.Count; i++)
            {
                if (!ReferenceEquals(_tensors[i], tensor))
                    continue;
                bool wasInUse = !_free[i];
                _free[i] = true;
                return wasInUse;
            }
            return false;
        }

        public void Dispose()
        {
            foreach (Tensor tensor in _tensors)
                tensor.Dispose();
        }
    }
}
