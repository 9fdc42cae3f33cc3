using System.Diagnostics;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>
/// A training run from its beginning, or from its last checkpoint, to its end. A run that is ended at any moment and resumed gives the
/// same weights, optimizer and metrics (but for times), bit for bit, as one that was not, with any number of threads.
/// </summary>
public sealed partial class Trainer : IDisposable
{
    private const int MostSkippedInARow = 10;

    private readonly RunSetup _setup;
    private readonly TrainerOptions _options;
    private readonly WorkerPool _pool;
    private readonly TrainingOptimizer _optimizer;
    private readonly LearningRateSchedule _schedule;
    private readonly SampleStream _stream;
    private readonly Evaluator? _evaluator;
    private readonly MetricsFile _metrics;
    private readonly TrainingCost _cost;
    private readonly LossFactors _factors;
    private long _step, _tokens, _skipped, _skippedInARow, _savedStep = -1;
    private BestEvaluation? _best;
    private double _lastValidationLoss;

    // The checkpoint whose trunk the next one shares: the one before it, so that what the run began with may go away.
    private string? _trunk;

    private Trainer(RunSetup setup, TrainerOptions options)
    {
        (_setup, _options) = (setup, options);
        RunConfiguration run = setup.Run;
        List<IDisposable> made = [];
        T Made<T>(T one) where T : IDisposable
        {
            made.Add(one);
            return one;
        }
        try
        {
            TrainingState? state = setup.Checkpoint?.State;
            _pool = Made(new WorkerPool(run.Threads));
            ITrainingKernels kernels = SimdKernels.Create(_pool);
            ParameterGroups groups = GroupsOf(run, setup.Model);
            TrainingModelOptions modelOptions = OptionsOf(run, setup.Model);
            _trunk = run.Model.Trained == TrainedPart.MtpHead ? setup.Checkpoint?.Folder ?? run.Model.From : null;
            MemoryPlan memory = MemoryPlan.For(setup.Model.Configuration, setup.Model.HasMtp, modelOptions, run.Batch.Rows, setup.Data.Length, groups, setup.Model.Weights);
            memory.Require(options.AvailableMemory ?? GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
            setup.WriteFiles();
            Model = Made(new TrainingModel(setup.Model.Configuration, setup.Model.Weights, setup.Model.HasMtp, kernels, modelOptions));
            setup.Model.Dispose();
            _optimizer = Made(new TrainingOptimizer((IOptimizerKernels)kernels, groups, [.. Model.Parameters], OptionsOf(run.Optimizer)));
            _schedule = run.Schedule.Create(run.Optimizer.LearningRate, run.Steps);
            _factors = new LossFactors(setup.Model.HasMtp ? (float)run.Losses.Mtp : 0, (float)run.Losses.Balance, (float)run.Losses.Z);
            _cost = new TrainingCost(setup.Model.Configuration, setup.Model.HasMtp, run.Model.Trained);
            if (setup.Checkpoint is { } checkpoint)
                _optimizer.Load(RunCheckpoint.OptimizerFile(checkpoint.Folder));
            _lastValidationLoss = state?.LastValidationLoss ?? double.NaN;
            if (state is not null)
                (_step, _tokens, _skipped, _skippedInARow, _best, _savedStep) = (state.Step, state.Tokens, state.Skipped, state.SkippedInARow, state.Best, state.Step);
            StreamOptions stream = new() { Seed = run.Seed, BatchSize = run.Batch.Rows, Positions = run.Data.Positions, Prefetch = run.Prefetch };
            _stream = Made(RunStream.Open(run, setup.Data.Sources, stream, state));
            if (setup.Data.Validation.Count > 0)
                _evaluator = new Evaluator(setup.Data.Validation, setup.Tokenizer, run.Batch.Rows, run.Evaluation.Batches, run.Data.Positions);
            _metrics = Made(new MetricsFile(setup.Folder.MetricsFile, state?.Step ?? -1));
            Plan = PlanOf(kernels, memory);
        }
        catch
        {
            made.Reverse();
            made.ForEach(one => one.Dispose());
            throw;
        }
    }

    /// <summary>What the run is going to do.</summary>
    public TrainingPlan Plan { get; }

    /// <summary>The model.</summary>
    public TrainingModel Model { get; }

    /// <summary>The tokenizer.</summary>
    public Tokenizer Tokenizer => _setup.Tokenizer;

    /// <summary>The run's folder.</summary>
    public RunFolder Folder => _setup.Folder;

    /// <summary>Whether the run ended because ten steps in a row gave no finite loss or gradient.</summary>
    public bool HasDiverged => _skippedInARow >= MostSkippedInARow;

    /// <summary>Prepares a new run.</summary>
    /// <param name="run">The run.</param>
    /// <param name="folder">Its folder, which must not exist or be empty.</param>
    /// <param name="options">What the run does not depend on.</param>
    /// <param name="cancel">Ends the preparation.</param>
    /// <exception cref="InvalidInputException">Something does not fit; the sentence says what and where.</exception>
    public static Trainer Start(RunConfiguration run, string folder, TrainerOptions? options = null, CancellationToken cancel = default) =>
        Create(RunSetup.Create(run, folder, options ?? new TrainerOptions(), cancel), options);

    /// <summary>Prepares a run that goes on from its last checkpoint, or begins if it has none.</summary>
    /// <param name="folder">Its folder.</param>
    /// <param name="changed">
    /// The run with other values of what may change: threads, prefetch, evaluation.every, checkpoints, the paths of the same data, and with a
    /// constant schedule and one phase the steps. Null for what its run.json says.
    /// </param>
    /// <param name="options">What the run does not depend on.</param>
    /// <param name="cancel">Ends the preparation.</param>
    /// <exception cref="InvalidInputException">Something does not fit; the sentence says what and where.</exception>
    public static Trainer Resume(string folder, RunConfiguration? changed = null, TrainerOptions? options = null, CancellationToken cancel = default) =>
        Create(RunSetup.Open(folder, changed, options ?? new TrainerOptions(), cancel), options);

    /// <summary>Trains to the last step.</summary>
    /// <param name="cancel">Ends the run after the step that is under way; a checkpoint is written first.</param>
    /// <exception cref="InvalidInputException">
    /// The disk is full (the checkpoints before are whole), data is damaged, or ten steps in a row gave no finite loss or gradient.
    /// </exception>
    public TrainingSummary Run(CancellationToken cancel = default)
    {
        RunConfiguration run = _setup.Run;
        _options.Observer?.Planned(Plan);
        long start = Stopwatch.GetTimestamp(), tokensBefore = _tokens;
        double seconds = 0;
        if (_step == 0 && run.Evaluation.AtStart == true)
            Evaluate();
        while (_step < run.Steps && !cancel.IsCancellationRequested)
        {
            seconds += TakeStep();
            bool isLast = _step == run.Steps;
            if (isLast || (run.Evaluation.Every > 0 && _step % run.Evaluation.Every == 0))
                Evaluate();
            // While steps are being skipped the checkpoints before stay the last ones.
            if (run.Checkpoints.Every > 0 && _step % run.Checkpoints.Every == 0 && _skippedInARow == 0)
                Save();
        }
        if (_savedStep != _step)
            Save();
        TrainingSummary summary = new(
            _step, _tokens, _skipped, _step < run.Steps, Folder.CheckpointOf(_step), _lastValidationLoss, _best,
            Stopwatch.GetElapsedTime(start).TotalSeconds, seconds == 0 ? 0 : (_tokens - tokensBefore) / seconds);
        _options.Observer?.Finished(summary);
        return summary;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _metrics.Dispose();
        _stream.Dispose();
        _optimizer.Dispose();
        Model.Dispose();
        _pool.Dispose();
        _setup.Dispose();
    }

    private static Trainer Create(RunSetup setup, TrainerOptions? options)
    {
        try
        {
            return new Trainer(setup, options ?? new TrainerOptions());
        }
        catch
        {
            setup.Dispose();
            throw;
        }
    }

    private static TrainingModelOptions OptionsOf(RunConfiguration run, RunModel model) => new()
    {
        Precision = run.Precision,
        Trained = run.Model.Trained,
        Recompute = run.Recompute,
        // What inference keeps: float32 of a float32 checkpoint, BF16 of all others.
        CacheFormat = model.FrozenCacheFormat ?? (run.Precision == TrainingPrecision.F32 ? DType.F32 : DType.BF16),
    };

    private static TrainingOptimizerOptions OptionsOf(OptimizerSettings settings) => new(
        new MuonOptions(settings.Momentum, settings.WeightDecay, settings.Scale, Coefficients: settings.Coefficients),
        new AdamWOptions(settings.Beta1, settings.Beta2, settings.Epsilon, settings.WeightDecay),
        settings.Clip == 0 ? double.PositiveInfinity : settings.Clip);

    /// <summary>Which optimizer has which of the parameters that are trained.</summary>
    private static ParameterGroups GroupsOf(RunConfiguration run, RunModel model)
    {
        ParameterGroups groups = ParameterGroups.For(model.Configuration, model.HasMtp, run.Optimizer.SplitGateUp, run.Model.Trained);
        if (run.Optimizer.Kind == OptimizerKind.Muon)
            return groups;
        IEnumerable<string> matrices = groups.Muon.SelectMany(group => group.Matrices).SelectMany(matrix => matrix);
        return new ParameterGroups([], [.. matrices.Select(name => new AdamWEntry(name, Decays: true)), .. groups.AdamW]);
    }

    private TrainingPlan PlanOf(ITrainingKernels kernels, MemoryPlan memory)
    {
        RunConfiguration run = _setup.Run;
        double samples = (double)run.Steps * run.Batch.Rows * run.Batch.Accumulation;
        double[] shares = RunStream.Shares(run, _setup.Data.Sources);
        return new TrainingPlan
        {
            Folder = Folder.Path,
            Configuration = run,
            Model = _setup.Model.Configuration,
            HasMtp = _setup.Model.HasMtp,
            Parameters = _setup.Model.Configuration.ExpectedTensors(_setup.Model.HasMtp).Sum(tensor => tensor.Shape.Count),
            TrainedParameters = Model.Parameters.Sum(parameter => parameter.Weight.Count),
            ActiveParameters = _cost.ActiveParameters,
            Memory = memory,
            Kernels = kernels.Description,
            FirstStep = _step + 1,
            Steps = run.Steps,
            TokensPerStep = (long)run.Batch.Rows * run.Batch.Accumulation * _setup.Data.Length,
            Sources =
            [
                .. run.Data.Sources.Select((source, index) => new PlannedSource(
                    source.Name, _setup.Data.Sources[index].Count, _setup.Data.Sources[index].TokenCount, shares[index] * samples / _setup.Data.Sources[index].Count)),
            ],
            ValidationSamples = _setup.Data.Validation.Sum(set => set.Count),
        };
    }
}
