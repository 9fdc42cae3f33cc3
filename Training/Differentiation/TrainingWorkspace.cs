using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Training;

/// <summary>
/// The workspace of training. While the tape records, a model's mark of a last use does nothing: the tape needs the activation
/// until its backward has run, and gives it back by <see cref="Temporaries"/>. While it does not, memory is reused at once, as in
/// inference. <see cref="Reset"/> takes everything back for the next micro-batch.
/// </summary>
public sealed class TrainingWorkspace : IWorkspace, IDisposable
{
    private readonly PooledWorkspace _pool;
    private readonly HashSet<Tensor> _held = [];
    private readonly List<Tensor> _scope = [];
    private int _openScopes;

    /// <summary>Creates an empty workspace.</summary>
    /// <param name="allocate">Where memory comes from; null for <see cref="Tensor.AllocateBytes"/>.</param>
    public TrainingWorkspace(TensorAllocator? allocate = null)
    {
        Allocate = allocate ?? Tensor.AllocateBytes;
        _pool = new PooledWorkspace(Allocate);
        Temporaries = new Immediate(this);
    }

    /// <summary>Where memory comes from, also for what is kept from step to step.</summary>
    public TensorAllocator Allocate { get; }

    /// <summary>Whether the model's <see cref="Release"/> does nothing.</summary>
    public bool Keeps { get; set; } = true;

    /// <summary>The same memory, but whatever is released is given back at once: for what no backward needs.</summary>
    public IWorkspace Temporaries { get; }

    /// <summary>An activation that stays although the model marks its last use; null for none.</summary>
    public Tensor? Protected { get; set; }

    /// <summary>The bytes held, in use or not: the most that were needed at once.</summary>
    public long ByteLength => _pool.ByteLength;

    /// <inheritdoc/>
    public Tensor Rent(DType type, Shape shape)
    {
        Tensor tensor = _pool.Rent(type, shape);
        _held.Add(tensor);
        if (_openScopes > 0)
            _scope.Add(tensor);
        return tensor;
    }

    /// <summary>Marks the last use in the forward pass: see the class.</summary>
    public void Release(Tensor tensor)
    {
        if (!Keeps && !ReferenceEquals(tensor, Protected))
            Free(tensor);
    }

    /// <summary>Ends a micro-batch: all tensors may be handed out again.</summary>
    public void Reset()
    {
        foreach (Tensor tensor in _held)
            _pool.Release(tensor);
        _held.Clear();
        _scope.Clear();
        _openScopes = 0;
        Protected = null;
    }

    /// <summary>Remembers what is rented from here on; <see cref="CloseScope"/> takes the mark back.</summary>
    internal int OpenScope()
    {
        _openScopes++;
        return _scope.Count;
    }

    /// <summary>Gives back what was rented since <paramref name="mark"/>, except what <paramref name="keep"/> is true for.</summary>
    internal void CloseScope(int mark, Func<Tensor, bool> keep)
    {
        for (int i = mark; i < _scope.Count; i++)
            if (!keep(_scope[i]))
                Free(_scope[i]);
        _scope.RemoveRange(mark, _scope.Count - mark);
        _openScopes--;
    }

    /// <inheritdoc/>
    public void Dispose() => _pool.Dispose();

    // What is not held was given back before, or is somebody else's.
    private void Free(Tensor tensor)
    {
        if (_held.Remove(tensor))
            _pool.Release(tensor);
    }

    private sealed class Immediate(TrainingWorkspace workspace) : IWorkspace
    {
        public Tensor Rent(DType type, Shape shape) => workspace.Rent(type, shape);

        public void Release(Tensor tensor) => workspace.Free(tensor);
    }
}
