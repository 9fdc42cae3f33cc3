using System.Text.Json;

namespace Mellum2.Managed.Training;

/// <summary>What is trained: <c>model</c> of a run file.</summary>
public sealed record ModelSettings
{
    /// <summary><c>from</c>: the folder of a checkpoint to begin with; null begins with random weights.</summary>
    public string? From { get; init; }

    /// <summary><c>name</c>: the shape that <see cref="Shape"/> changes: <c>mini</c> or a name of <see cref="Model.ModelConfiguration.Named"/>.</summary>
    public string Name { get; init; } = RunShapes.Mini;

    /// <summary><c>shape</c>: fields of config.json that differ from the named shape. <c>vocab_size</c> is the tokenizer's unless it stands here.</summary>
    public IReadOnlyDictionary<string, JsonElement> Shape { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary><c>mtp</c>: whether there is an MTP head. Null: a new model has one, a checkpoint if it has its tensors.</summary>
    public bool? Mtp { get; init; }

    /// <summary><c>trained</c>: <c>whole</c> or <c>mtp_head</c>, which leaves the trunk as it is.</summary>
    public TrainedPart Trained { get; init; }

    /// <summary><c>yarn</c>: extends the context of the full-attention layers; null leaves it.</summary>
    public YarnSettings? Yarn { get; init; }
}

/// <summary>YaRN on the layers of full attention: <c>model.yarn</c>.</summary>
/// <param name="Factor"><c>factor</c>: how much longer the context becomes, above 1.</param>
/// <param name="OriginalContext"><c>original_context</c>: the context before; null for the model's <c>max_position_embeddings</c>.</param>
/// <param name="BetaFast"><c>beta_fast</c>: turns above which a frequency stays.</param>
/// <param name="BetaSlow"><c>beta_slow</c>: turns below which a frequency is interpolated fully.</param>
/// <param name="AttentionFactor"><c>attention_factor</c>; null for 0.1·ln(factor) + 1.</param>
public sealed record YarnSettings(double Factor, int? OriginalContext = null, double BetaFast = 32, double BetaSlow = 1, double? AttentionFactor = null);

/// <summary>A source of samples: an element of <c>data.sources</c>, or <c>data.validation</c>.</summary>
public sealed record SourceSettings
{
    /// <summary><c>name</c>: what phases call it; without one, the last part of its first path.</summary>
    public string Name { get; init; } = "";

    /// <summary>
    /// <c>path</c>: one packed data set, or one data set of documents, or text files, JSON Lines and folders of them, which are tokenised
    /// and packed into the run's cache.
    /// </summary>
    public IReadOnlyList<string> Paths { get; init; } = [];

    /// <summary><c>extensions</c>: the files that are taken out of folders; empty takes all.</summary>
    public IReadOnlyList<string> Extensions { get; init; } = [];

    /// <summary><c>text_field</c>: the key of a JSON line whose value is the document.</summary>
    public string TextField { get; init; } = "text";

    /// <summary><c>strict</c>: whether a file that is no text is refused; otherwise it is left out and reported.</summary>
    public bool Strict { get; init; }

    /// <summary><c>fim</c>: the share of documents that are rearranged for fill in the middle.</summary>
    public double FillInTheMiddle { get; init; }

    /// <summary><c>spm</c>: the share of those in the order suffix, prefix, middle.</summary>
    public double SuffixFirst { get; init; } = 0.5;

    /// <summary><c>weight</c>: its share in phases without weights; null for its number of samples.</summary>
    public double? Weight { get; init; }
}

/// <summary>What is read: <c>data</c>.</summary>
public sealed record DataSettings
{
    /// <summary><c>sources</c>.</summary>
    public IReadOnlyList<SourceSettings> Sources { get; init; } = [];

    /// <summary><c>length</c>: the tokens of a sample; null for that of packed data sets, or 256.</summary>
    public int? Length { get; init; }

    /// <summary><c>positions</c>: <c>restart</c> in each document or <c>run_on</c> through the sample.</summary>
    public PositionMode Positions { get; init; }

    /// <summary><c>least_unique</c>: samples with fewer different tokens are dropped; null for <see cref="SampleLabels.LeastUnique"/>.</summary>
    public int? LeastUnique { get; init; }

    /// <summary><c>end_token</c>: the token behind each document.</summary>
    public string EndToken { get; init; } = "<|endoftext|>";

    /// <summary><c>validation</c>: a source of its own to evaluate on; null takes <see cref="HeldOut"/>.</summary>
    public SourceSettings? Validation { get; init; }

    /// <summary><c>held_out</c>: the share of documents (of a packed data set: samples) that are kept from training to evaluate on.</summary>
    public double HeldOut { get; init; } = 0.02;
}

/// <summary>A stretch of the run with one mixture: an element of <c>phases</c>.</summary>
/// <param name="Steps"><c>steps</c>.</param>
/// <param name="Weights"><c>weights</c>: the share of sources by name; those not named give nothing. Null for those of the sources.</param>
public sealed record PhaseSettings(long Steps, IReadOnlyDictionary<string, double>? Weights = null);

/// <summary>The size of a step: <c>batch</c>.</summary>
/// <param name="Rows"><c>rows</c>: the samples of a micro-batch.</param>
/// <param name="Accumulation"><c>accumulation</c>: the micro-batches of a step.</param>
public sealed record BatchSettings(int Rows = 16, int Accumulation = 1);

/// <summary>Which optimizer has the matrices; <c>optimizer.kind</c>.</summary>
public enum OptimizerKind
{
    /// <summary><c>muon</c>: Muon the matrices, AdamW the rest.</summary>
    Muon,

    /// <summary><c>adamw</c>: AdamW all parameters.</summary>
    AdamW,
}

/// <summary>How weights move: <c>optimizer</c>.</summary>
public sealed record OptimizerSettings
{
    /// <summary><c>kind</c>.</summary>
    public OptimizerKind Kind { get; init; }

    /// <summary><c>learning_rate</c>: the peak.</summary>
    public double LearningRate { get; init; } = 3e-3;

    /// <summary><c>momentum</c> of Muon.</summary>
    public double Momentum { get; init; } = 0.95;

    /// <summary><c>weight_decay</c>.</summary>
    public double WeightDecay { get; init; } = 0.1;

    /// <summary><c>coefficients</c> of Muon: <c>quintic</c>, <c>simple</c> or <c>near_exact</c>.</summary>
    public MuonCoefficients Coefficients { get; init; }

    /// <summary><c>split_gate_up</c>: whether Muon takes gate and up as two matrices.</summary>
    public bool SplitGateUp { get; init; }

    /// <summary><c>scale</c> of Muon: the root mean square of an update over the learning rate.</summary>
    public double Scale { get; init; } = 0.2;

    /// <summary><c>beta1</c> of AdamW.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary><c>beta2</c> of AdamW.</summary>
    public double Beta2 { get; init; } = 0.95;

    /// <summary><c>epsilon</c> of AdamW.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary><c>clip</c>: the largest global norm of a gradient; 0 does not clip.</summary>
    public double Clip { get; init; } = 1;
}

/// <summary>How the learning rate goes: <c>schedule.kind</c>.</summary>
public enum ScheduleKind
{
    /// <summary><c>whd</c>: warm-up, hold, linear decay.</summary>
    WarmUpHoldDecay,

    /// <summary><c>cosine</c>: warm-up, half a cosine.</summary>
    Cosine,

    /// <summary><c>constant</c>: warm-up, then the peak. Such a run can be resumed with more steps.</summary>
    Constant,
}

/// <summary>The learning rate over the steps: <c>schedule</c>.</summary>
public sealed record ScheduleSettings
{
    /// <summary><c>kind</c>.</summary>
    public ScheduleKind Kind { get; init; }

    /// <summary><c>warm_up</c>: steps; null for a twentieth of all, at most 2,000 (constant: 20).</summary>
    public long? WarmUp { get; init; }

    /// <summary><c>decay</c>: steps of the linear decay; null for 15 % of all.</summary>
    public long? Decay { get; init; }

    /// <summary><c>minimum</c>: the learning rate at the end.</summary>
    public double Minimum { get; init; }

    internal long WarmUpOf(long steps) => WarmUp ?? (Kind == ScheduleKind.Constant ? 20 : Math.Min(2000, steps / 20));

    internal long DecayOf(long steps) => Kind == ScheduleKind.WarmUpHoldDecay ? Decay ?? steps * 15 / 100 : 0;

    /// <summary>The schedule of a run.</summary>
    /// <param name="peak">The largest learning rate.</param>
    /// <param name="steps">The steps of the run.</param>
    internal LearningRateSchedule Create(double peak, long steps) => Kind switch
    {
        ScheduleKind.WarmUpHoldDecay => new WarmUpHoldDecaySchedule(peak, WarmUpOf(steps), DecayOf(steps), steps, Minimum),
        ScheduleKind.Cosine => new CosineSchedule(peak, WarmUpOf(steps), steps, Minimum),
        _ => new ConstantSchedule(peak, WarmUpOf(steps)),
    };
}

/// <summary>The factors of the losses beside the main one: <c>losses</c>.</summary>
/// <param name="Mtp"><c>mtp</c>: of the MTP head's cross-entropy.</param>
/// <param name="Balance"><c>balance</c>: of the routers' balance losses.</param>
/// <param name="Z"><c>z</c>: of the routers' z-losses.</param>
public sealed record LossSettings(double Mtp = 0.1, double Balance = 1e-3, double Z = 1e-3);

/// <summary>When the model is evaluated: <c>evaluation</c>.</summary>
/// <param name="Every"><c>every</c>: steps between evaluations; 0 only at the end.</param>
/// <param name="Batches"><c>batches</c>: micro-batches of an evaluation, the same every time; 0 takes all that is held out.</param>
/// <param name="AtStart"><c>at_start</c>: whether the weights are evaluated before the first step. Null: if the run begins with a checkpoint.</param>
public sealed record EvaluationSettings(long Every = 100, int Batches = 8, bool? AtStart = null);

/// <summary>When checkpoints are written: <c>checkpoints</c>.</summary>
/// <param name="Every"><c>every</c>: steps between checkpoints; 0 only at the end.</param>
/// <param name="Keep"><c>keep</c>: how many of the last ones stay.</param>
/// <param name="Best"><c>best</c>: whether the weights with the least validation loss are kept too.</param>
public sealed record CheckpointSettings(long Every = 100, int Keep = 2, bool Best = true);
