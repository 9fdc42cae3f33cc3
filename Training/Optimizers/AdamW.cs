using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Training;

/// <summary>The settings of <see cref="AdamW"/>.</summary>
/// <param name="Beta1">The decay of the mean.</param>
/// <param name="Beta2">The decay of the mean square.</param>
/// <param name="Epsilon">Added to the root of the mean square.</param>
/// <param name="WeightDecay">Decoupled weight decay of the parameters that have any.</param>
public sealed record AdamWOptions(double Beta1 = 0.9, double Beta2 = 0.95, double Epsilon = 1e-8, double WeightDecay = 0.1);

/// <summary>
/// AdamW (Loshchilov and Hutter, arXiv:1711.05101): see <see cref="IOptimizerKernels.AdamW"/>. Mean and mean square are
/// as wide as the weights.
/// </summary>
public sealed class AdamW : IDisposable
{
    private readonly IOptimizerKernels _kernels;
    private readonly (OptimizerParameter Parameter, bool Decays, Tensor Mean, Tensor Variance)[] _entries;

    /// <summary>Creates the optimizer with moments of zero.</summary>
    /// <param name="kernels">The back end.</param>
    /// <param name="options">The settings.</param>
    /// <param name="parameters">What it updates, and whether weight decay applies.</param>
    public AdamW(IOptimizerKernels kernels, AdamWOptions options, IEnumerable<(OptimizerParameter Parameter, bool Decays)> parameters)
    {
        _kernels = kernels;
        Options = options;
        _entries = [.. parameters.Select(entry => (entry.Parameter, entry.Decays, Zeros(entry.Parameter), Zeros(entry.Parameter)))];
    }

    /// <summary>The settings.</summary>
    public AdamWOptions Options { get; }

    /// <summary>The moments by the names that state files give them.</summary>
    public IEnumerable<KeyValuePair<string, Tensor>> State
    {
        get
        {
            foreach (var entry in _entries)
            {
                yield return new(entry.Parameter.Name + ".mean", entry.Mean);
                yield return new(entry.Parameter.Name + ".variance", entry.Variance);
            }
        }
    }

    /// <summary>Takes a step.</summary>
    /// <param name="learningRate">The learning rate.</param>
    /// <param name="count">Which step it is: 1 for the first.</param>
    public void Step(double learningRate, long count)
    {
        foreach (var (parameter, decays, mean, variance) in _entries)
        {
            AdamWStep step = new(learningRate, Options.Beta1, Options.Beta2, Options.Epsilon, decays ? Options.WeightDecay : 0, count);
            _kernels.AdamW(parameter.Gradient, in step, parameter.Weight, mean, variance);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var entry in _entries)
        {
            entry.Mean.Dispose();
            entry.Variance.Dispose();
        }
    }

    private Tensor Zeros(OptimizerParameter parameter) => Tensor.Allocate(_kernels.ActivationType, parameter.Weight.Shape);
}
