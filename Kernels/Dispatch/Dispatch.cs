using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public partial interface IForwardKernels
{
    /// <summary>
    /// A stable counting sort of the (token, slot) pairs by expert; nothing is dropped.
    /// Pair i = token · k + slot goes to row place[i], and order[place[i]] = i.
    /// </summary>
    /// <param name="experts">I32 [T, k], the choice of <see cref="Route"/>.</param>
    /// <param name="offsets">I32 [E + 1]: the rows of expert e are offsets[e] … offsets[e + 1] − 1.</param>
    /// <param name="order">I32 [T · k]: the pair in each row.</param>
    /// <param name="place">I32 [T · k]: the row of each pair.</param>
    void Dispatch(Tensor experts, Tensor offsets, Tensor order, Tensor place);

    /// <summary>
    /// y[t] = Σ_slot weights[t, slot] · rows[place[t · k + slot]], one chain of fused multiply-adds in the order of the
    /// slots that begins at 0.
    /// </summary>
    /// <param name="rows">What the experts made, [T · k, H], sorted by expert.</param>
    /// <param name="place">I32 [T · k], from <see cref="Dispatch"/>.</param>
    /// <param name="weights">[T, k], from <see cref="Route"/>.</param>
    /// <param name="y">[T, H].</param>
    void Combine(Tensor rows, Tensor place, Tensor weights, Tensor y);
}
