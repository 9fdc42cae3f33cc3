using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Training;

/// <summary>The settings of <see cref="TrainingOptimizer"/>.</summary>
/// <param name="Muon">The settings of the matrices.</param>
/// <param name="AdamW">The settings of the other parameters.</param>
/// <param name="MaximumNorm">The global norm to which gradients are clipped.</param>
public sealed record TrainingOptimizerOptions(MuonOptions Muon, AdamWOptions AdamW, double MaximumNorm = 1.0);

/// <summary>
/// A model's optimizer: clips the global norm, then Muon updates the matrices and AdamW the rest. A step whose gradient
/// is not finite is skipped: weights, state and the count of steps, which schedules follow, keep every bit.
/// </summary>
public sealed class TrainingOptimizer : IDisposable
{
    private readonly IOptimizerKernels _kernels;
    private readonly Tensor[] _gradients;
    private readonly Muon _muon;
    private readonly AdamW _adamW;

    /// <summary>Creates the optimizer with a state of zeros.</summary>
    /// <param name="kernels">The back end.</param>
    /// <param name="groups">Which optimizer updates which parameter.</param>
    /// <param name="parameters">The parameters, each of <paramref name="groups"/> once; their order is that of the norm's sum.</param>
    /// <param name="options">The settings.</param>
    /// <exception cref="ArgumentException">A parameter is missing, is in no group, or has a gradient of another shape.</exception>
    public TrainingOptimizer(
        IOptimizerKernels kernels, ParameterGroups groups, IReadOnlyCollection<OptimizerParameter> parameters, TrainingOptimizerOptions options)
    {
        _kernels = kernels;
        Options = options;
        _gradients = [.. parameters.Select(parameter => parameter.Gradient)];
        Dictionary<string, OptimizerParameter> open = parameters.ToDictionary(parameter => parameter.Name, StringComparer.Ordinal);
        foreach (OptimizerParameter parameter in parameters)
            if (parameter.Gradient.Shape != parameter.Weight.Shape)
                throw new ArgumentException($"The gradient of {parameter.Name} is {parameter.Gradient}, its weight {parameter.Weight}.", nameof(parameters));
        OptimizerParameter Take(string name) =>
            open.Remove(name, out OptimizerParameter? parameter) ? parameter : throw new ArgumentException($"There is no parameter {name}, or it is in two groups.", nameof(parameters));
        MuonBatch[] batches = [.. groups.Muon.Select(group => new MuonBatch(
            group.Name, [.. group.Matrices.Select(matrix => (IReadOnlyList<OptimizerParameter>)[.. matrix.Select(Take)])]))];
        (OptimizerParameter, bool)[] rest = [.. groups.AdamW.Select(entry => (Take(entry.Name), entry.Decays))];
        if (open.Count > 0)
            throw new ArgumentException($"No optimizer has the parameter {open.Keys.First()}.", nameof(parameters));
        _muon = new Muon(kernels, options.Muon, batches);
        _adamW = new AdamW(kernels, options.AdamW, rest);
    }

    /// <summary>The settings.</summary>
    public TrainingOptimizerOptions Options { get; }

    /// <summary>How many steps have been taken; skipped ones do not count.</summary>
    public long StepCount { get; private set; }

    /// <summary>Momenta and moments by the names that state files give them.</summary>
    public IEnumerable<KeyValuePair<string, Tensor>> State => _muon.State.Concat(_adamW.State);

    /// <summary>
    /// Takes a step, which may scale the gradients. The learning rate is usually a schedule's value at <see cref="StepCount"/> + 1.
    /// </summary>
    public ClipResult Step(double learningRate)
    {
        ClipResult clip = GradientClipping.Clip(_kernels, _gradients, Options.MaximumNorm);
        if (clip.Skipped)
            return clip;
        StepCount++;
        _muon.Step(learningRate);
        _adamW.Step(learningRate, StepCount);
        return clip;
    }

    /// <summary>Writes state and count to a safetensors file.</summary>
    /// <exception cref="InvalidInputException">The file cannot be written.</exception>
    public void Save(string path) => OptimizerStateFile.Save(path, StepCount, [.. State]);

    /// <summary>Reads state and count from a file of <see cref="Save"/>. If it does not fit, nothing is changed.</summary>
    /// <exception cref="InvalidInputException">The file cannot be read or belongs to another model.</exception>
    public void Load(string path) => StepCount = OptimizerStateFile.Load(path, [.. State]);

    /// <inheritdoc/>
    public void Dispose()
    {
        _muon.Dispose();
        _adamW.Dispose();
    }
}
