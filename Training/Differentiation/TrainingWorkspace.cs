using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Training;

/// <summary>
/// The workspace of training: the tape needs activations until the backward is done, so marking a last use does nothing and
/// <see cref="Reset"/> takes everything back for the next step.
/// </summary>
public sealed class TrainingWorkspace : IWorkspace, IDisposable
{
    private readonly PooledWorkspace _pool = new();
    private readonly List<Tensor> _rented = [];

    /// <summary>The bytes held, in use or not.</summary>
    public long ByteLength => _pool.ByteLength;

    /// <inheritdoc/>
    public Tensor Rent(DType type, Shape shape)
    {
        Tensor tensor = _pool.Rent(type, shape);
        _rented.Add(tensor);
        return tensor;
    }

    /// <summary>Does nothing: see the class.</summary>
    public void Release(Tensor tensor) { }

    /// <summary>Ends a step: all tensors may be handed out again.</summary>
    public void Reset()
    {
        foreach (Tensor tensor in _rented)
            _pool.Release(tensor);
        _rented.Clear();
    }

    /// <inheritdoc/>
    public void Dispose() => _pool.Dispose();
}
