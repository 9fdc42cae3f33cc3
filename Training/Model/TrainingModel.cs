using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>
/// The model of <c>Model/</c> on a <see cref="Tape"/>: the forward pass that inference runs, its losses and all gradients.
/// What a step needs is kept for the next one, so that only the first step of a shape allocates memory.
/// </summary>
public sealed partial class TrainingModel : IDisposable
{
    private readonly TrainingWorkspace _workspace;
    private readonly TrainingModelOptions _options;
    private readonly Tape _tape;
    private readonly ModelWeights _weights;
    private readonly MellumModel _model;
    private readonly TrainingParameters _parameters;
    private readonly List<Tensor> _routerBiases = [];
    private readonly ForwardBatch _trunkRows = new(), _mtpRows = new();
    private KvCache? _cache;
    private int[] _ids = [];

    /// <summary>Loads weights for training.</summary>
    /// <param name="configuration">The shape.</param>
    /// <param name="source">The weights to begin with.</param>
    /// <param name="withMtp">Whether there is an MTP head.</param>
    /// <param name="kernels">The back end.</param>
    /// <param name="options">How it is trained.</param>
    /// <exception cref="InvalidInputException">The MTP head is to be trained, but there is none.</exception>
    public TrainingModel(
        ModelConfiguration configuration, IWeightSource source, bool withMtp, ITrainingKernels kernels, TrainingModelOptions? options = null)
        : this(configuration, source, withMtp, kernels, options ?? new TrainingModelOptions(), Tensor.AllocateBytes)
    {
    }

    /// <summary>The same with memory from elsewhere, for planning.</summary>
    internal TrainingModel(
        ModelConfiguration configuration, IWeightSource source, bool withMtp, ITrainingKernels kernels, TrainingModelOptions options,
        TensorAllocator allocate)
    {
        _options = options;
        _workspace = new TrainingWorkspace(allocate);
        if (_options.Trained == TrainedPart.MtpHead && !withMtp)
            throw new InvalidInputException("The MTP head alone is to be trained, but the model has none.");
        Func<string, bool>? isFrozen = _options.Trained == TrainedPart.MtpHead ? name => !ModelConfiguration.IsMtp(name) : null;
        _tape = new Tape(kernels, _workspace) { Precision = _options.Precision, IsFrozen = isFrozen };
        _weights = new WeightLoader(configuration, source, _tape).Load(withMtp);
        ForwardContext context = new(_tape, _workspace) { Runner = _options.Recompute ? _tape.RunRecomputed : null };
        _model = new MellumModel(configuration, _weights, context, _options.CacheFormat ?? kernels.ActivationType);
        _parameters = new TrainingParameters(kernels.ActivationType, _options.Trained, _tape, allocate);
        _parameters.Add(configuration, _weights);
        AddRouters();
    }

    /// <summary>The shape.</summary>
    public ModelConfiguration Configuration => _model.Configuration;

    /// <summary>How it is trained.</summary>
    public TrainingModelOptions Options => _options;

    /// <summary>The trained parameters by their checkpoint names, with their gradients.</summary>
    public IReadOnlyList<OptimizerParameter> Parameters => _parameters.Trained;

    /// <summary>
    /// The masters by their checkpoint names, what a checkpoint is written from: every weight, or those of the MTP head where it
    /// alone is trained, because the trunk is then kept as its source has it.
    /// </summary>
    public IReadOnlyList<NamedTensor> AllTensors => _parameters.All;

    /// <summary>
    /// A hook into the forward pass; with recomputation it sees each layer twice. What it changes is taken as it is, without a
    /// gradient of the change.
    /// </summary>
    public ForwardTap? Tap
    {
        get => _model.Context.Tap;
        set => _model.Context.Tap = value;
    }

    /// <summary>Terms of the loss beside the built-in ones.</summary>
    public IList<LossTerm> LossTerms { get; } = [];

    /// <summary>
    /// With <see cref="TrainingModelOptions.RouterBias"/> what is added to each router's probabilities for the choice of experts, in
    /// the order of <see cref="StepResult.ExpertLoads"/>: the caller's to change between steps, zeros at first. Released
    /// checkpoints have no place for it; whoever runs such a model sets <see cref="LayerWeights.RouterBias"/>.
    /// </summary>
    public IReadOnlyList<Tensor> RouterBiases => _routerBiases;

    /// <summary>The bytes of all weights: masters, and what is frozen in its own format.</summary>
    public long WeightBytes => _weights.ByteLength + _weights.NormByteLength;

    /// <summary>The bytes of activations and their gradients, in use or not, and of products that wait for their scale.</summary>
    public long ActivationBytes => _workspace.ByteLength + _tape.ScratchBytes;

    /// <summary>The bytes of the one cache through which attention reads keys and values.</summary>
    public long CacheBytes => _cache?.ByteLength ?? 0;

    /// <summary>The bytes of the rounded copies of weights; 0 in F32, and before the first step.</summary>
    public long RoundedWeightBytes => _tape.RoundedWeightBytes;

    /// <summary>Sets all gradients to zero.</summary>
    public unsafe void ZeroGradients()
    {
        foreach (OptimizerParameter parameter in Parameters)
            System.Runtime.InteropServices.NativeMemory.Clear(parameter.Gradient.Data, (nuint)parameter.Gradient.ByteLength);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _parameters.Dispose();
        _routerBiases.ForEach(bias => bias.Dispose());
        _cache?.Dispose();
        _tape.Dispose();
        _model.Dispose();
        _workspace.Dispose();
    }

    private void AddRouters()
    {
        foreach (LayerWeights layer in _weights.Mtp is { } mtp ? _weights.Layers.Append(mtp.Layer) : _weights.Layers)
        {
            if (layer.Router is not { } router)
                continue;
            _tape.AddRouter(router.Rows);
            if (!_options.RouterBias)
                continue;
            layer.RouterBias = _workspace.Allocate(_tape.ActivationType, new Shape(router.Rows));
            _routerBiases.Add(layer.RouterBias);
        }
    }

    /// <summary>Trunk over all rows; gives the states after the final norm and, if the MTP head wants them, those before.</summary>
    private (Tensor States, Tensor? BeforeNorm) Trunk(TrainingBatch batch, bool withMtp)
    {
        FillRows(_trunkRows, batch, shift: 0);
        bool wantBeforeNorm = withMtp && !Configuration.MtpTakesNormedState;
        Tensor states = _model.Trunk(_trunkRows, wantBeforeNorm, out Tensor? beforeNorm);
        _cache!.Clear();
        return (states, beforeNorm);
    }

    /// <summary>The rows whose next token is in the sample: their states, and the targets of the MTP head.</summary>
    private Tensor MtpInput(TrainingBatch batch, Tensor states, out Tensor targets)
    {
        int length = batch.Length - 1;
        Tensor rows = _workspace.Rent(DType.I32, new Shape(batch.Rows * length));
        targets = _workspace.Rent(DType.I32, rows.Shape);
        Span<int> source = rows.Span<int>(), label = targets.Span<int>();
        for (int i = 0; i < source.Length; i++)
        {
            source[i] = i / length * batch.Length + i % length;
            label[i] = batch.MtpLabels[source[i]];
        }
        Tensor own = _workspace.Rent(states.Type, new Shape(source.Length, states.Columns));
        _tape.GatherRows(states, rows, own);
        _workspace.Release(rows);
        return own;
    }

    private Tensor Mtp(TrainingBatch batch, Tensor states)
    {
        FillRows(_mtpRows, batch, shift: 1);
        Tensor result = _model.Mtp(_mtpRows, states);
        _cache!.Clear();
        return result;
    }

    private Tensor Targets(IReadOnlyList<int> labels)
    {
        Tensor targets = _workspace.Rent(DType.I32, new Shape(labels.Count));
        Span<int> label = targets.Span<int>();
        for (int i = 0; i < label.Length; i++)
            label[i] = labels[i];
        return targets;
    }

    // Documents run one after the other, and so do layers: all of them share one cache.
    private void FillRows(ForwardBatch rows, TrainingBatch batch, int shift)
    {
        if (_cache is null || _cache.Plan.Context < batch.Length)
        {
            _cache?.Dispose();
            _cache = new KvCache(new CachePlan(Configuration, _model.CacheFormat, batch.Length, batch.Length, _model.HasMtp), shareLayers: true, _workspace.Allocate);
            _ids = new int[batch.Length];
        }
        rows.Clear();
        foreach (var (row, first, count) in batch.Segments(shift))
        {
            int start = row * batch.Length + first + shift;
            for (int i = 0; i < count; i++)
                _ids[i] = batch.Ids[start + i];
            int? position = batch.Positions is null ? null : Math.Max(0, batch.Positions[start] - shift);
            rows.Add(_cache, 0, _ids.AsSpan(0, count), position);
        }
    }
}
