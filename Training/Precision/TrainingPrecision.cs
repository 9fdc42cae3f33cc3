namespace Mellum2.Managed.Training;

/// <summary>
/// How the matrix products of a training step round their operands. Sums, results, the residual stream, norms, attention,
/// softmax, router, masters and gradients are float32 in all of them.
/// </summary>
public enum TrainingPrecision
{
    /// <summary>Nothing is rounded.</summary>
    F32,

    /// <summary>
    /// Both operands of every product but the router's are rounded to bfloat16, nearest even: x and W forward, dy and W,
    /// dy and x backward; the output head's too.
    /// </summary>
    BF16,

    /// <summary>
    /// The products of the layers and of the MTP head's projection in 8 bits with tensorwise current scaling: x and W E4M3, dy
    /// E5M2 (Micikevicius and others, arXiv:2209.05433); each expert's matrices and tokens have scales of their own.
    /// Router and output head are float32.
    /// </summary>
    FP8,
}
