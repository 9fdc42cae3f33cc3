using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>
/// Follows a run. All calls come from the thread that runs it, in order; a call that takes long holds up the training. Each method has a
/// body that does nothing, so that an observer has the ones it needs.
/// </summary>
public interface ITrainingObserver
{
    /// <summary>Data is being tokenised, packed or divided.</summary>
    /// <param name="what">What is done: a verb with its object.</param>
    /// <param name="done">How much is done.</param>
    /// <param name="total">Of how much.</param>
    void Preparing(string what, double done, double total) { }

    /// <summary>Something that the person who started the run should read: one sentence.</summary>
    void Note(string sentence) { }

    /// <summary>Everything is loaded and the first step comes next.</summary>
    void Planned(TrainingPlan plan) { }

    /// <summary>A step was taken or skipped.</summary>
    void Stepped(StepMetrics step) { }

    /// <summary>The model was evaluated.</summary>
    void Evaluated(EvaluationMetrics evaluation) { }

    /// <summary>A checkpoint was written.</summary>
    void Checkpointed(CheckpointMetrics checkpoint) { }

    /// <summary>The run ended as it should or by cancellation; after a failure this is not called.</summary>
    void Finished(TrainingSummary summary) { }
}

/// <summary>What a run is going to do.</summary>
public sealed record TrainingPlan
{
    /// <summary>The run's folder.</summary>
    public required string Folder { get; init; }

    /// <summary>The run, every default filled in.</summary>
    public required RunConfiguration Configuration { get; init; }

    /// <summary>The model's shape.</summary>
    public required ModelConfiguration Model { get; init; }

    /// <summary>Whether the model has an MTP head.</summary>
    public required bool HasMtp { get; init; }

    /// <summary>All parameters.</summary>
    public required long Parameters { get; init; }

    /// <summary>Those that are trained.</summary>
    public required long TrainedParameters { get; init; }

    /// <summary>The weights that a token multiplies by.</summary>
    public required long ActiveParameters { get; init; }

    /// <summary>The memory that it takes.</summary>
    public required MemoryPlan Memory { get; init; }

    /// <summary>What computes.</summary>
    public required string Kernels { get; init; }

    /// <summary>The first step that is to be taken, counted from 1.</summary>
    public required long FirstStep { get; init; }

    /// <summary>The last step.</summary>
    public required long Steps { get; init; }

    /// <summary>The tokens of a step, room behind the last document counted.</summary>
    public required long TokensPerStep { get; init; }

    /// <summary>The samples of each source, and the passes over them that the run makes.</summary>
    public required IReadOnlyList<PlannedSource> Sources { get; init; }

    /// <summary>The samples that are held out; 0 if there are none.</summary>
    public required long ValidationSamples { get; init; }
}

/// <summary>A source of a run.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Samples">Its samples.</param>
/// <param name="Tokens">Their tokens.</param>
/// <param name="Epochs">How often the run goes through them; expected, where phases mix several.</param>
public sealed record PlannedSource(string Name, long Samples, long Tokens, double Epochs);

/// <summary>A step. Values that there are none of are NaN or null and are left out of metrics.jsonl.</summary>
public sealed record StepMetrics
{
    /// <summary>Which step, counted from 1.</summary>
    public required long Step { get; init; }

    /// <summary>The steps of the run.</summary>
    public required long Steps { get; init; }

    /// <summary>The tokens that have been trained on, this step's among them.</summary>
    public required long Tokens { get; init; }

    /// <summary>What is minimised.</summary>
    public required double Loss { get; init; }

    /// <summary>Mean cross-entropy of the trunk.</summary>
    public required double Main { get; init; }

    /// <summary>Mean cross-entropy of the MTP head, without its factor.</summary>
    public required double Mtp { get; init; }

    /// <summary>The share of rows whose label is the MTP head's likeliest token.</summary>
    public required double MtpAcceptance { get; init; }

    /// <summary>The routers' balance losses, with their factor.</summary>
    public required double Balance { get; init; }

    /// <summary>The routers' z-losses, with their factor.</summary>
    public required double RouterZ { get; init; }

    /// <summary>The sum of the model's own loss terms (<see cref="TrainingModel.LossTerms"/>); 0 without any.</summary>
    public required double Extra { get; init; }

    /// <summary>The global norm of the gradient before clipping.</summary>
    public required double GradientNorm { get; init; }

    /// <summary>The learning rate.</summary>
    public required double LearningRate { get; init; }

    /// <summary>How many steps have been skipped so far because loss or gradient was not finite.</summary>
    public required long Skipped { get; init; }

    /// <summary>Whether this step was.</summary>
    public required bool IsSkipped { get; init; }

    /// <summary>For each router the share of its busiest expert, times the number of experts: 1 is perfect balance.</summary>
    public required IReadOnlyList<double> Load { get; init; }

    /// <summary>For each router how many tokens each expert got.</summary>
    public required IReadOnlyList<int[]> ExpertLoads { get; init; }

    /// <summary>The seconds that it took.</summary>
    public required double Seconds { get; init; }

    /// <summary>Tokens a second.</summary>
    public required double TokensPerSecond { get; init; }

    /// <summary>Operations a second as <see cref="TrainingCost"/> counts them.</summary>
    public required double FlopsPerSecond { get; init; }

    /// <summary>Their share of <see cref="TrainerOptions.PeakFlopsPerSecond"/>; null if that is not known.</summary>
    public required double? PeakShare { get; init; }
}

/// <summary>An evaluation. Values that there are none of are NaN and are left out of metrics.jsonl.</summary>
public sealed record EvaluationMetrics
{
    /// <summary>After which step.</summary>
    public required long Step { get; init; }

    /// <summary>Mean cross-entropy of the next token.</summary>
    public required double Loss { get; init; }

    /// <summary>Mean cross-entropy of the MTP head.</summary>
    public required double MtpLoss { get; init; }

    /// <summary>The cross-entropy of all predicted tokens in bits, over the bytes of their text, that of control tokens too.</summary>
    public required double BitsPerByte { get; init; }

    /// <summary>The share of next tokens that are the likeliest.</summary>
    public required double Accuracy { get; init; }

    /// <summary>The share of rows whose label is the MTP head's likeliest token.</summary>
    public required double MtpAcceptance { get; init; }

    /// <summary>What decides which evaluation is the best: <see cref="Loss"/>, or <see cref="MtpLoss"/> where the MTP head alone is trained.</summary>
    public double DecidingLoss { get; init; }

    /// <summary>Whether it is the best of the run so far.</summary>
    public required bool IsBest { get; init; }

    /// <summary>The seconds that it took.</summary>
    public required double Seconds { get; init; }
}

/// <summary>A checkpoint that was written.</summary>
/// <param name="Step">After which step.</param>
/// <param name="Path">Its folder.</param>
/// <param name="IsBest">Whether it is <c>checkpoints/best</c> and not one to resume from.</param>
/// <param name="Seconds">The seconds that it took.</param>
public sealed record CheckpointMetrics(long Step, string Path, bool IsBest, double Seconds);

/// <summary>How a run ended.</summary>
/// <param name="Step">The last step.</param>
/// <param name="Tokens">The tokens that were trained on.</param>
/// <param name="Skipped">The steps that were skipped.</param>
/// <param name="IsCancelled">Whether it was cancelled before its last step.</param>
/// <param name="LastCheckpoint">The folder of the last checkpoint.</param>
/// <param name="LastValidationLoss">The <see cref="EvaluationMetrics.DecidingLoss"/> of the last evaluation; NaN if there was none.</param>
/// <param name="Best">The step and loss of the best evaluation; null if there was none.</param>
/// <param name="Seconds">The seconds from the first step to the end, of this process.</param>
/// <param name="TokensPerSecond">Tokens of all steps of this process over their seconds.</param>
public sealed record TrainingSummary(
    long Step, long Tokens, long Skipped, bool IsCancelled, string LastCheckpoint, double LastValidationLoss, BestEvaluation? Best,
    double Seconds, double TokensPerSecond);

/// <summary>The best evaluation of a run.</summary>
/// <param name="Step">After which step.</param>
/// <param name="Loss">Its <see cref="EvaluationMetrics.DecidingLoss"/>.</param>
public sealed record BestEvaluation(long Step, double Loss);
