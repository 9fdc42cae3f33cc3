using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>How the rows of a cross-entropy count.</summary>
/// <param name="Scale">
/// The factor of every row: the weight of the loss over the number of rows that count in the whole step.
/// </param>
/// <param name="ZLoss">ζ, the factor of lse².</param>
/// <param name="RoundGradients">
/// Whether <see cref="ITrainingKernels.HeadCrossEntropy"/> rounds dLogits to bfloat16 before it multiplies by them.
/// </param>
public readonly record struct CrossEntropyParameters(float Scale, float ZLoss, bool RoundGradients = false)
{
    /// <summary>The target of a row that does not count.</summary>
    public const int Ignored = -100;
}

public partial interface ITrainingKernels
{
    /// <summary>
    /// L = scale·Σ_t (ce_t + ζ·lse_t²) over the rows whose target is not <see cref="CrossEntropyParameters.Ignored"/>, with
    /// ce_t = lse_t − z_{t, target} and the log-sum-exp of <see cref="IForwardKernels.LogSumExp"/>, so that −ce_t is the
    /// sampler's log-probability bit for bit; dz_{t,v} = scale·(e^{z_{t,v} − lse_t}·(1 + 2ζ·lse_t) − [v = target]), 0 in
    /// ignored rows. A target outside of the vocabulary throws <see cref="ArgumentOutOfRangeException"/>.
    /// Float32 back ends: error of dz at most 2⁻¹⁸·scale·(1 + 2ζ|lse|).
    /// </summary>
    /// <param name="logits">z, [T, V].</param>
    /// <param name="targets">I32 [T].</param>
    /// <param name="parameters">Scale and ζ.</param>
    /// <param name="losses">[2], written: scale·Σ ce_t and scale·ζ·Σ lse_t².</param>
    /// <param name="rowLosses">[T], written: ce_t, 0 in ignored rows.</param>
    /// <param name="lse">[T], written, in ignored rows too.</param>
    /// <param name="dLogits">[T, V], written, or null for the loss alone; it may be <paramref name="logits"/> itself.</param>
    void CrossEntropy(
        Tensor logits, Tensor targets, CrossEntropyParameters parameters, Tensor losses, Tensor rowLosses, Tensor lse, Tensor? dLogits);

    /// <summary>
    /// The output head and its loss, blocks of rows at a time: logits = states·headᵀ, <see cref="CrossEntropy"/>,
    /// dStates = dLogits·head, dHead += dLogitsᵀ·states. The logits of all rows never exist at once, and the size of a block
    /// changes no bits.
    /// </summary>
    /// <param name="states">[T, H], after the final norm.</param>
    /// <param name="head">[V, H], row-major in the activation type.</param>
    /// <param name="targets">I32 [T].</param>
    /// <param name="parameters">Scale and ζ.</param>
    /// <param name="losses">[2], written.</param>
    /// <param name="rowLosses">[T], written.</param>
    /// <param name="lse">[T], written.</param>
    /// <param name="dStates">[T, H], written, or null for the loss alone.</param>
    /// <param name="dHead">[V, H], added to, or null where the head is not trained.</param>
    /// <param name="correct">
    /// I32 [T], written, or null: 1 where the target is the arg max of the row's logits (of equal ones the lowest token), else 0;
    /// 0 in ignored rows.
    /// </param>
    void HeadCrossEntropy(
        Tensor states, WeightMatrix head, Tensor targets, CrossEntropyParameters parameters, Tensor losses, Tensor rowLosses, Tensor lse,
        Tensor? dStates, Tensor? dHead, Tensor? correct = null);
}
