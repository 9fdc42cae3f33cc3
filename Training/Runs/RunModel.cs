using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>The shape of a run's model and where its weights begin.</summary>
internal sealed class RunModel : IDisposable
{
    private readonly Checkpoint? _checkpoint;

    private RunModel(ModelConfiguration configuration, bool hasMtp, IWeightSource weights, Checkpoint? checkpoint, TrainedPart trained)
    {
        HasMtp = hasMtp;
        Weights = weights;
        _checkpoint = checkpoint;
        Configuration = configuration with { MtpLayerCount = hasMtp ? 1 : 0 };
        if (trained == TrainedPart.Whole)
        {
            Configuration = Configuration with { StoredType = DType.F32, Quantization = null };
            return;
        }
        string head = configuration.TieWordEmbeddings ? ModelConfiguration.EmbeddingName : ModelConfiguration.HeadName;
        FrozenCacheFormat = checkpoint!.Find(head).Stored.Format == DType.F32.Name() ? DType.F32 : MellumModel.DefaultCacheFormat(Configuration);
    }

    /// <summary>The shape, as checkpoints of the run have it.</summary>
    public ModelConfiguration Configuration { get; }

    /// <summary>The format in which inference keeps keys and values beside a trunk that is not trained; else null.</summary>
    public DType? FrozenCacheFormat { get; }

    /// <summary>Whether there is an MTP head.</summary>
    public bool HasMtp { get; }

    /// <summary>The weights to begin with.</summary>
    public IWeightSource Weights { get; }

    /// <summary>The model that a run begins with.</summary>
    /// <param name="run">The run.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="endId">The token that ends a document.</param>
    /// <exception cref="InvalidInputException">The checkpoint is not valid, or values contradict each other.</exception>
    public static RunModel Begin(RunConfiguration run, Tokenizer tokenizer, int endId)
    {
        if (run.Model.From is not { } folder)
        {
            if (run.Model.Trained == TrainedPart.MtpHead)
                throw new InvalidInputException("model.trained is mtp_head, but model.from names no checkpoint whose trunk could be kept.");
            ModelConfiguration shape = RunShapes.Create(run.Model, tokenizer.VocabularySize, endId, "The run");
            bool hasMtp = run.Model.Mtp ?? shape.MtpLayerCount != 0;
            shape = Extended(shape, run);
            Require(shape, tokenizer, run);
            return new RunModel(shape, hasMtp, new InitialWeights(shape, run.Seed), null, run.Model.Trained);
        }
        ModelConfiguration configuration = ModelConfiguration.Load(folder);
        Checkpoint checkpoint = Checkpoint.Open(folder);
        try
        {
            bool isThere = checkpoint.Validate(configuration), hasMtp = run.Model.Mtp ?? (isThere || run.Model.Trained == TrainedPart.MtpHead);
            configuration = Extended(configuration, run);
            Require(configuration, tokenizer, run);
            IWeightSource weights = hasMtp && !isThere
                ? new FreshMtpHead(checkpoint, new InitialWeights(configuration, run.Seed))
                : checkpoint;
            return new RunModel(configuration, hasMtp, weights, checkpoint, run.Model.Trained);
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <summary>The model of a run's checkpoint.</summary>
    /// <param name="folder">The checkpoint.</param>
    /// <param name="run">The run, whose shape it must have.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="endId">The token that ends a document.</param>
    /// <exception cref="InvalidInputException">The checkpoint is damaged or of another shape.</exception>
    public static RunModel GoOn(string folder, RunConfiguration run, Tokenizer tokenizer, int endId)
    {
        ModelConfiguration configuration = ModelConfiguration.Load(folder);
        if (run.Model.From is null)
        {
            // The run's own shape: a checkpoint of another one is told by the first tensor that does not fit.
            bool hasMtp = run.Model.Mtp ?? true;
            configuration = Extended(RunShapes.Create(run.Model, tokenizer.VocabularySize, endId, "The run"), run) with { MtpLayerCount = hasMtp ? 1 : 0 };
        }
        Require(configuration, tokenizer, run);
        Checkpoint checkpoint = Checkpoint.Open(folder);
        try
        {
            return new RunModel(configuration, checkpoint.Validate(configuration), checkpoint, checkpoint, run.Model.Trained);
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _checkpoint?.Dispose();

    private static ModelConfiguration Extended(ModelConfiguration configuration, RunConfiguration run) =>
        run.Model.Yarn is { } yarn ? RunShapes.Extend(configuration, yarn) : configuration;

    private static void Require(ModelConfiguration configuration, Tokenizer tokenizer, RunConfiguration run)
    {
        if (tokenizer.VocabularySize > configuration.VocabularySize)
            throw new InvalidInputException(
                $"The tokenizer has {tokenizer.VocabularySize:N0} tokens, but the model's vocabulary has room for {configuration.VocabularySize:N0}.");
        if (run.Data.Length > configuration.MaximumPositions)
            throw new InvalidInputException(
                $"data.length is {run.Data.Length:N0}, but the model has {configuration.MaximumPositions:N0} positions (max_position_embeddings).");
    }
}
