using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Training;

/// <summary>
/// Kernels that remember what they did. The model's own forward pass runs on a tape as on any other back end; then
/// <see cref="Backward"/> goes through the calls in reverse order. Gradients of activations are kept by tensor;
/// gradients of parameters are added to the tensors of <see cref="Register"/>. Everything happens in the order of the
/// calls, so a step gives the same bits every time. The result of a call and its gradient are given back as soon as the
/// call's backward has run.
/// </summary>
public sealed partial class Tape : IForwardKernels, IDisposable
{
    private readonly ITrainingKernels _kernels;
    private readonly TrainingWorkspace _activations;
    private readonly IWorkspace _workspace;
    private readonly List<Call> _calls = [];
    private readonly HashSet<Tensor> _results = [];
    private readonly Dictionary<Tensor, Tensor> _gradients = [];
    private readonly Dictionary<Tensor, Tensor> _parameters = [];
    private Tensor? _current;

    /// <summary>A tape over a back end, whose activations and gradients come from <paramref name="workspace"/>.</summary>
    public Tape(ITrainingKernels kernels, TrainingWorkspace workspace) =>
        (_kernels, _activations, _workspace) = (kernels, workspace, workspace.Temporaries);

    /// <inheritdoc/>
    public DType ActivationType => _kernels.ActivationType;

    /// <inheritdoc/>
    public string Description => $"{_kernels.Description}, recorded";

    /// <summary>
    /// Whether operations are recorded; they are from the start. If not, they run as in inference and the workspace takes
    /// activations back after their last use.
    /// </summary>
    public bool IsRecording
    {
        get => _activations.Keeps;
        set => _activations.Keeps = value;
    }

    /// <summary>Says where the gradient of a parameter is summed; parameters without one are frozen.</summary>
    /// <param name="parameter">The weights: the data of a matrix, or a norm's vector.</param>
    /// <param name="gradient">The sum, in the activation type and of the same shape.</param>
    public void Register(Tensor parameter, Tensor gradient) => _parameters.Add(parameter, gradient);

    /// <summary>Where the gradient of a parameter is summed; null where it is frozen.</summary>
    public Tensor? ParameterGradient(Tensor parameter) => _parameters.GetValueOrDefault(parameter);

    /// <summary>A tensor with the format and shape of another, for its gradient; its contents are undefined.</summary>
    public Tensor Rent(Tensor like) => _workspace.Rent(like.Type, like.Shape);

    /// <summary>
    /// Adds to the gradient of an activation; <paramref name="gradient"/> (see <see cref="Rent"/>) is the tape's from now on.
    /// </summary>
    public void AddGradient(Tensor activation, Tensor gradient)
    {
        if (ReferenceEquals(gradient, _current))
            _current = null;
        if (_gradients.TryGetValue(activation, out Tensor? sum))
        {
            _kernels.Accumulate(gradient, sum);
            _workspace.Release(gradient);
        }
        else
            _gradients.Add(activation, gradient);
    }

    /// <summary>Runs the backward of all calls, the last one first, and forgets them.</summary>
    /// <returns>The sums of the routers' balance losses and z-losses, their factors included.</returns>
    public (double Balance, double ZLoss) Backward()
    {
        (_balance, _zLoss) = (0, 0);
        Unwind(0);
        (double, double) losses = (_balance, _zLoss);
        Clear();
        return losses;
    }

    /// <summary>Forgets all calls and gradients of activations; what a step counts about routers stays.</summary>
    public void Clear()
    {
        _calls.Clear();
        _results.Clear();
        _gradients.Clear();
        _current = null;
        (_routingKept, _routingReplayed) = (null, null);
        ClearRouting();
    }

    /// <summary>Lets go of what is kept about routers and of the rounded copies of weights.</summary>
    public void Dispose()
    {
        foreach (RouterState router in _routers)
            router.Dispose();
        _routers.Clear();
        DisposeProducts();
    }

    // Runs an operation and records it. A call whose result nobody differentiates has no backward.
    private void Run(Tensor result, Action forward, Action<Tensor> backward)
    {
        forward();
        if (IsRecording)
            _calls.Add(new Call(result, _results.Add(result), backward));
    }

    // The calls from number `end` on, the last one first. A replayed layer adds calls of its own behind them and takes them off again.
    private void Unwind(int end)
    {
        while (_calls.Count > end)
        {
            Call call = _calls[^1];
            _calls.RemoveAt(_calls.Count - 1);
            if (call.IsFirst)
                _results.Remove(call.Result);
            if (_gradients.TryGetValue(call.Result, out Tensor? gradient))
            {
                // Several calls may write rows of one result: the first of them is the last one here.
                if (call.IsFirst)
                    _gradients.Remove(call.Result);
                _current = gradient;
                call.Backward(gradient);
                if (call.IsFirst && _current is not null)
                    _workspace.Release(_current);
                _current = null;
            }
            if (call.IsFirst)
                _workspace.Release(call.Result);
        }
    }

    private Tensor New(Tensor like) => _workspace.Rent(like.Type, like.Shape);

    private Tensor New(int rows, int columns) => _workspace.Rent(ActivationType, new Shape(rows, columns));

    // A gradient that several calls write, each its own rows.
    private Tensor Written(Tensor activation)
    {
        if (!_gradients.TryGetValue(activation, out Tensor? gradient))
            _gradients.Add(activation, gradient = New(activation));
        return gradient;
    }

    private static unsafe void Zero(Tensor tensor)
    {
        if (tensor.HasMemory)
            System.Runtime.InteropServices.NativeMemory.Clear(tensor.Data, (nuint)tensor.ByteLength);
    }

    /// <summary>A recorded call.</summary>
    /// <param name="Result">What it wrote.</param>
    /// <param name="IsFirst">Whether no call before it wrote to the result.</param>
    /// <param name="Backward">Takes the gradient of the result.</param>
    private readonly record struct Call(Tensor Result, bool IsFirst, Action<Tensor> Backward);
}
