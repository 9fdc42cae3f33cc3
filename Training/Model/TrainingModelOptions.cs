using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Training;

/// <summary>Which parameters a run changes.</summary>
public enum TrainedPart
{
    /// <summary>All of them.</summary>
    Whole,

    /// <summary>
    /// The MTP head alone. Trunk and embedding are held in the source's own format and run forward only, as in inference whatever
    /// the precision, and keep no activations; the output head, through which the gradient passes, is held in float32 and never
    /// rounded. Gradients and optimizer state exist for the MTP head's parameters alone.
    /// </summary>
    MtpHead,
}

/// <summary>How a model is trained.</summary>
public sealed record TrainingModelOptions
{
    /// <summary>How products round their operands.</summary>
    public TrainingPrecision Precision { get; init; }

    /// <summary>Which parameters are trained.</summary>
    public TrainedPart Trained { get; init; } = TrainedPart.Whole;

    /// <summary>
    /// Whether only the residual stream between layers and the routing are kept by the forward pass, and each layer is computed
    /// again before its backward: the same bits in less memory for about a third more work.
    /// </summary>
    public bool Recompute { get; init; }

    /// <summary>Whether routers have a bias for the choice of experts: see <see cref="TrainingModel.RouterBiases"/>.</summary>
    public bool RouterBias { get; init; }

    /// <summary>
    /// The format to which keys and values are rounded: F32 or BF16 (F64 on the reference kernels). Null: that of the kernels.
    /// </summary>
    public DType? CacheFormat { get; init; }
}
