using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>The factors of the losses.</summary>
/// <param name="Mtp">Of the MTP head's cross-entropy.</param>
/// <param name="Balance">Of every router's balance loss.</param>
/// <param name="RouterZ">Of every router's z-loss.</param>
public readonly record struct LossFactors(float Mtp, float Balance, float RouterZ);

/// <summary>The losses of a micro-batch, factors included.</summary>
/// <param name="Main">Mean cross-entropy of the trunk.</param>
/// <param name="Mtp">That of the MTP head, times its factor.</param>
/// <param name="Balance">The routers' balance losses.</param>
/// <param name="RouterZ">The routers' z-losses.</param>
public readonly record struct TrainingLosses(double Main, double Mtp, double Balance, double RouterZ)
{
    /// <summary>What is minimised.</summary>
    public double Total => Main + Mtp + Balance + RouterZ;
}

/// <summary>
/// The model of <c>Model/</c> on a <see cref="Tape"/>: the forward pass that inference runs, its losses and all gradients.
/// </summary>
public sealed class TrainingModel : IDisposable
{
    private readonly TrainingWorkspace _workspace = new();
    private readonly Tape _tape;
    private readonly ModelWeights _weights;
    private readonly MellumModel _model;

    /// <summary>Loads weights for training.</summary>
    /// <param name="configuration">The shape.</param>
    /// <param name="source">The weights to begin with.</param>
    /// <param name="withMtp">Whether there is an MTP head.</param>
    /// <param name="kernels">The back end.</param>
    public TrainingModel(ModelConfiguration configuration, IWeightSource source, bool withMtp, ITrainingKernels kernels)
    {
        _tape = new Tape(kernels, _workspace);
        _weights = new WeightLoader(configuration, source, _tape).Load(withMtp);
        _model = new MellumModel(configuration, _weights, new ForwardContext(_tape, _workspace), kernels.ActivationType);
        Parameters = TrainingParameters.Of(configuration, _weights, kernels.ActivationType, _tape);
    }

    /// <summary>The shape.</summary>
    public ModelConfiguration Configuration => _model.Configuration;

    /// <summary>All parameters by their checkpoint names, with their gradients.</summary>
    public IReadOnlyList<OptimizerParameter> Parameters { get; }

    /// <summary>The bytes of activations and their gradients.</summary>
    public long ActivationBytes => _workspace.ByteLength;

    /// <summary>Sets all gradients to zero.</summary>
    public unsafe void ZeroGradients()
    {
        foreach (OptimizerParameter parameter in Parameters)
            System.Runtime.InteropServices.NativeMemory.Clear(parameter.Gradient.Data, (nuint)parameter.Gradient.ByteLength);
    }

    /// <summary>Runs a micro-batch forward and backward and adds its gradients.</summary>
    public TrainingLosses ForwardBackward(TrainingBatch batch, LossFactors factors)
    {
        (_tape.BalanceLoss, _tape.RouterZLoss) = (factors.Balance, factors.RouterZ);
        List<KvCache> caches = [];
        try
        {
            ForwardBatch rows = Sequences(batch, shift: 0, caches);
            Tensor states = _model.Trunk(rows, wantBeforeNorm: true, out Tensor? beforeNorm);
            double main = Loss(states, batch.Labels, 1), mtp = 0;
            if (_weights.Mtp is not null && batch.Length > 1)
                mtp = MtpLoss(batch, Configuration.MtpTakesNormedState ? states : beforeNorm!, factors.Mtp, caches);
            var (balance, z) = _tape.Backward();
            return new TrainingLosses(main, mtp, balance, z);
        }
        finally
        {
            _tape.Clear();
            _workspace.Reset();
            caches.ForEach(cache => cache.Dispose());
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (OptimizerParameter parameter in Parameters)
            parameter.Gradient.Dispose();
        _model.Dispose();
        _tape.Dispose();
        _workspace.Dispose();
    }

    /// <summary>The MTP head over all rows whose next token is in the sample.</summary>
    private double MtpLoss(TrainingBatch batch, Tensor states, float factor, List<KvCache> caches)
    {
        int length = batch.Length - 1;
        Tensor gather = _workspace.Rent(DType.I32, new Shape(batch.Rows * length));
        int[] labels = new int[batch.Rows * length];
        for (int i = 0; i < labels.Length; i++)
        {
            int source = i / length * batch.Length + i % length;
            gather.Span<int>()[i] = source;
            labels[i] = batch.MtpLabels[source];
        }
        Tensor own = _workspace.Rent(states.Type, new Shape(labels.Length, states.Columns));
        _tape.GatherRows(states, gather, own);
        return Loss(_model.Mtp(Sequences(batch, shift: 1, caches), own), labels, factor);
    }

    private double Loss(Tensor states, IReadOnlyList<int> labels, float factor)
    {
        Tensor targets = _workspace.Rent(DType.I32, new Shape(labels.Count));
        int counted = 0;
        for (int i = 0; i < labels.Count; i++)
        {
            targets.Span<int>()[i] = labels[i];
            counted += labels[i] == CrossEntropyParameters.Ignored ? 0 : 1;
        }
        return _tape.HeadCrossEntropy(states, _weights.Head, targets, counted == 0 ? 0 : factor / counted);
    }

    private ForwardBatch Sequences(TrainingBatch batch, int shift, List<KvCache> caches)
    {
        ForwardBatch rows = new();
        foreach (var (row, first, count) in batch.Segments(shift))
        {
            KvCache cache = new(new CachePlan(Configuration, _model.CacheFormat, count, count, _model.HasMtp));
            caches.Add(cache);
            int[] ids = new int[count];
            for (int i = 0; i < count; i++)
                ids[i] = batch.Ids[row * batch.Length + first + shift + i];
            rows.Add(cache, 0, ids);
        }
        return rows;
    }
}
