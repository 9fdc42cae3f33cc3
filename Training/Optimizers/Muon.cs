using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Training;

/// <summary>Which polynomials <see cref="Muon"/> iterates.</summary>
public enum MuonCoefficients
{
    /// <summary>Five different steps: <see cref="NewtonSchulzSteps.Quintic"/>.</summary>
    Quintic,

    /// <summary>Five times the same: <see cref="NewtonSchulzSteps.Simple"/>.</summary>
    Simple,

    /// <summary>Ten steps that converge: <see cref="NewtonSchulzSteps.NearExact"/>.</summary>
    NearExact,
}

/// <summary>The settings of <see cref="Muon"/>.</summary>
/// <param name="Momentum">μ of the moving average.</param>
/// <param name="WeightDecay">Decoupled weight decay.</param>
/// <param name="Scale">The root mean square of an update by an orthogonal matrix, over the learning rate.</param>
/// <param name="Epsilon">Added to the Frobenius norm.</param>
/// <param name="Coefficients">The polynomials.</param>
public sealed record MuonOptions(
    double Momentum = 0.95, double WeightDecay = 0.1, double Scale = 0.2, double Epsilon = 1e-7,
    MuonCoefficients Coefficients = MuonCoefficients.Quintic);

/// <summary>Matrices of one shape, each of one or more parameters stacked along their rows.</summary>
/// <param name="Name">A name for messages.</param>
/// <param name="Matrices">The parameters of each matrix.</param>
public sealed record MuonBatch(string Name, IReadOnlyList<IReadOnlyList<OptimizerParameter>> Matrices);

/// <summary>
/// Muon (K. Jordan and others, 2024) with updates of AdamW's size (Liu and others, arXiv:2502.16982). For a matrix W [A, B]:
/// M ← μM + (1 − μ)G, U = (1 − μ)G + μM, O = NewtonSchulz(U), W ← W(1 − η·wd) − η·scale·√max(A, B)·O.
/// A semi-orthogonal O makes an update whose root mean square is scale·η.
/// </summary>
public sealed class Muon : IDisposable
{
    private readonly IOptimizerKernels _kernels;
    private readonly Batch[] _batches;
    private readonly Tensor _update;

    /// <summary>Creates the optimizer with momenta of zero.</summary>
    /// <param name="kernels">The back end.</param>
    /// <param name="options">The settings.</param>
    /// <param name="batches">What it updates.</param>
    /// <exception cref="ArgumentException">The matrices of a batch differ in shape.</exception>
    public Muon(IOptimizerKernels kernels, MuonOptions options, IEnumerable<MuonBatch> batches)
    {
        _kernels = kernels;
        Options = options;
        _batches = [.. Merge([.. batches]).Select(batch => new Batch(batch, kernels.ActivationType))];
        long largest = _batches.Length == 0 ? 0 : _batches.Max(batch => batch.Shape.Count);
        _update = Tensor.AllocateBytes(kernels.ActivationType, new Shape(0), largest * kernels.ActivationType.Size());
    }

    /// <summary>The settings.</summary>
    public MuonOptions Options { get; }

    /// <summary>The momenta by the names that state files give them.</summary>
    public IEnumerable<KeyValuePair<string, Tensor>> State =>
        _batches.SelectMany(batch => batch.Parts).Select(part => KeyValuePair.Create(part.Parameter.Name + ".momentum", part.Momentum));

    /// <summary>Takes a step.</summary>
    public void Step(double learningRate)
    {
        ReadOnlySpan<NewtonSchulzStep> steps = Options.Coefficients switch
        {
            MuonCoefficients.Quintic => NewtonSchulzSteps.Quintic,
            MuonCoefficients.Simple => NewtonSchulzSteps.Simple,
            _ => NewtonSchulzSteps.NearExact,
        };
        double decay = 1 - learningRate * Options.WeightDecay;
        foreach (Batch batch in _batches)
        {
            _update.Reinterpret(_kernels.ActivationType, batch.Shape);
            foreach (Part part in batch.Parts)
                _kernels.NesterovMomentum(part.Parameter.Gradient, Options.Momentum, part.Momentum, _update, part.Offset);
            _kernels.NewtonSchulz(_update, steps, Options.Epsilon, _update);
            double step = learningRate * Options.Scale * Math.Sqrt(Math.Max(batch.Shape[1], batch.Shape[2]));
            foreach (Part part in batch.Parts)
                _kernels.DecayedStep(_update, part.Offset, decay, step, part.Parameter.Weight);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _update.Dispose();
        foreach (Batch batch in _batches)
            foreach (Part part in batch.Parts)
                part.Momentum.Dispose();
    }

    // Small matrices of one shape from several batches become one, as long as the largest batch stays the largest: more work
    // for a call, and whole matrices for every thread. Which matrices share a call changes no bits.
    private static List<MuonBatch> Merge(IReadOnlyList<MuonBatch> batches)
    {
        static (int Rows, int Columns) ShapeOf(MuonBatch batch) =>
            (batch.Matrices[0].Sum(parameter => parameter.Weight.Rows), batch.Matrices[0][0].Weight.Columns);
        static long Elements(MuonBatch batch) => batch.Matrices.Sum(matrix => matrix.Sum(parameter => parameter.Weight.Count));
        long most = batches.Count == 0 ? 0 : batches.Max(Elements);
        List<MuonBatch> merged = [];
        Dictionary<(int, int), int> open = [];
        foreach (MuonBatch batch in batches)
        {
            if (open.TryGetValue(ShapeOf(batch), out int at) && Elements(merged[at]) + Elements(batch) <= most)
            {
                merged[at] = new MuonBatch($"{merged[at].Name}, {batch.Name}", [.. merged[at].Matrices, .. batch.Matrices]);
                continue;
            }
            open[ShapeOf(batch)] = merged.Count;
            merged.Add(batch);
        }
        return merged;
    }

    /// <summary>A parameter and where its update lies in the batch.</summary>
    private readonly record struct Part(OptimizerParameter Parameter, Tensor Momentum, long Offset);

    private sealed class Batch
    {
        public Batch(MuonBatch batch, DType type)
        {
            int columns = batch.Matrices[0][0].Weight.Columns, rows = batch.Matrices[0].Sum(parameter => parameter.Weight.Rows);
            Shape = new Shape(batch.Matrices.Count, rows, columns);
            long offset = 0;
            foreach (IReadOnlyList<OptimizerParameter> matrix in batch.Matrices)
            {
                if (matrix.Any(p => p.Weight.Shape.Rank != 2 || p.Weight.Columns != columns) || matrix.Sum(p => p.Weight.Rows) != rows)
                    throw new ArgumentException($"The matrices of {batch.Name} are not all [{rows}, {columns}].", nameof(batch));
                foreach (OptimizerParameter parameter in matrix)
                {
                    Parts.Add(new Part(parameter, Tensor.Allocate(type, parameter.Weight.Shape), offset));
                    offset += parameter.Weight.Count;
                }
            }
        }

        public Shape Shape { get; }

        public List<Part> Parts { get; } = [];
    }
}
