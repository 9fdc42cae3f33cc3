using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public partial interface ITrainingKernels
{
    /// <summary>
    /// The backward of <see cref="IForwardKernels.Combine"/>: with r = place[t · k + slot],
    /// dRows[r] = weights[t, slot]·dy[t], dWeights[t, slot] = dy[t]·rows[r].
    /// Float32 back ends sum the latter in sixteen lanes; error at most 2⁻²⁰·Σ|dy ⊙ rows|.
    /// </summary>
    /// <param name="rows">[T · k, H], the rows of the forward pass.</param>
    /// <param name="place">I32 [T · k].</param>
    /// <param name="weights">[T, k].</param>
    /// <param name="dy">[T, H].</param>
    /// <param name="dRows">[T · k, H], written.</param>
    /// <param name="dWeights">[T, k], written.</param>
    void CombineBackward(Tensor rows, Tensor place, Tensor weights, Tensor dy, Tensor dRows, Tensor dWeights);

    /// <summary>
    /// The backward of the gathering of <see cref="IForwardKernels.GroupedMatMul"/>:
    /// dx[t] = Σ_slot dRows[place[t · k + slot]], summed in the order of the slots.
    /// </summary>
    /// <param name="dRows">[T · k, H], sorted by expert.</param>
    /// <param name="place">I32 [T · k], from <see cref="IForwardKernels.Dispatch"/>.</param>
    /// <param name="slots">How many experts k a token has.</param>
    /// <param name="dx">[T, H], written.</param>
    void GatherBackward(Tensor dRows, Tensor place, int slots, Tensor dx);
}
