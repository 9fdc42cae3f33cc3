using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Training;

/// <summary>
/// Kernels that remember what they did. The model's own forward pass runs on a tape as on any other back end; then
/// <see cref="Backward"/> goes through the calls in reverse order. Gradients of activations are kept by tensor;
/// gradients of parameters are added to the tensors of <see cref="Register"/>. Everything happens in the order of the
/// calls, so a step gives the same bits every time.
/// </summary>
public sealed partial class Tape : IForwardKernels
{
    private readonly ITrainingKernels _kernels;
    private readonly IWorkspace _workspace;
    private readonly List<Action> _calls = [];
    private readonly Dictionary<Tensor, Tensor> _gradients = [];
    private readonly Dictionary<Tensor, Tensor> _parameters = [];

    /// <summary>A tape over a back end; gradients come from <paramref name="workspace"/>, which must keep them.</summary>
    public Tape(ITrainingKernels kernels, TrainingWorkspace workspace) => (_kernels, _workspace) = (kernels, workspace);

    /// <inheritdoc/>
    public DType ActivationType => _kernels.ActivationType;

    /// <inheritdoc/>
    public string Description => $"{_kernels.Description}, recorded";

    /// <summary>α of the balance loss of every router.</summary>
    public float BalanceLoss { get; set; }

    /// <summary>β of the z-loss of every router.</summary>
    public float RouterZLoss { get; set; }

    /// <summary>Says where the gradient of a parameter is summed; parameters without one are frozen.</summary>
    /// <param name="parameter">The weights: the data of a matrix, or a norm's vector.</param>
    /// <param name="gradient">The sum, in the activation type and of the same shape.</param>
    public void Register(Tensor parameter, Tensor gradient) => _parameters.Add(parameter, gradient);

    /// <summary>Where the gradient of a parameter is summed; null where it is frozen.</summary>
    public Tensor? ParameterGradient(Tensor parameter) => _parameters.GetValueOrDefault(parameter);

    /// <summary>Adds to the gradient of an activation; the tape has <paramref name="gradient"/> from now on.</summary>
    public void AddGradient(Tensor activation, Tensor gradient)
    {
        if (_gradients.TryGetValue(activation, out Tensor? sum))
            _kernels.Accumulate(gradient, sum);
        else
            _gradients.Add(activation, gradient);
    }

    /// <summary>Runs the backward of all calls, the last one first, and forgets them.</summary>
    /// <returns>The sums of the routers' balance losses and z-losses, their factors included.</returns>
    public (double Balance, double ZLoss) Backward()
    {
        for (int i = _calls.Count - 1; i >= 0; i--)
            _calls[i]();
        (double, double) losses = SumRouterLosses();
        Clear();
        return losses;
    }

    /// <summary>Forgets all calls and gradients of activations.</summary>
    public void Clear()
    {
        _calls.Clear();
        _gradients.Clear();
        ClearRouting();
    }

    // Runs an operation and records it. A call whose result nobody differentiates has no backward.
    private void Run(Tensor result, Action forward, Action<Tensor> backward)
    {
        forward();
        _calls.Add(() =>
        {
            if (_gradients.TryGetValue(result, out Tensor? gradient))
                backward(gradient);
        });
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

    private static unsafe void Zero(Tensor tensor) =>
        System.Runtime.InteropServices.NativeMemory.Clear(tensor.Data, (nuint)tensor.ByteLength);
}
