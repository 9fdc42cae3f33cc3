using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public partial interface ITrainingKernels
{
    /// <summary>
    /// The backward of <see cref="IForwardKernels.Route"/> through the weights; the choice itself has no gradient. With
    /// g = weights and S the chosen experts of a token, where the weights are renormalised
    /// dz_i = g_i·(dg_i − Σ_{j∈S} g_j·dg_j) for i ∈ S and 0 elsewhere; else dz_i = p_i·(dp_i − Σ_j p_j·dp_j) over all
    /// experts with dp_j = dg_j for j ∈ S and 0 elsewhere.
    /// </summary>
    /// <param name="probabilities">[T, E], from the forward pass.</param>
    /// <param name="experts">I32 [T, k].</param>
    /// <param name="weights">[T, k].</param>
    /// <param name="renormalize">As in the forward pass.</param>
    /// <param name="dWeights">[T, k], from <see cref="CombineBackward"/>.</param>
    /// <param name="dLogits">[T, E], written.</param>
    void RouteBackward(Tensor probabilities, Tensor experts, Tensor weights, bool renormalize, Tensor dWeights, Tensor dLogits);

    /// <summary>
    /// counts[e] += offsets[e + 1] − offsets[e]: how many (token, slot) pairs each expert got in the micro-batches of a step
    /// so far. The balance loss takes its loads from here; rules that balance by a bias read the same counts.
    /// </summary>
    /// <param name="offsets">I32 [E + 1], from <see cref="IForwardKernels.Dispatch"/>.</param>
    /// <param name="counts">I32 [E], added to.</param>
    void CountLoads(Tensor offsets, Tensor counts);

    /// <summary>
    /// The two auxiliary losses of a router and their gradients. Balance (Fedus et al., arXiv 2101.03961, over the loads of
    /// the global batch): α·E·Σ_i f_i·P_i with f_i = counts_i/Σ counts, constant for the gradient, and P_i the mean
    /// probability; dz_{t,i} += (αE/T)·p_{t,i}·(f_i − Σ_j f_j·p_{t,j}). z-loss (Zoph et al., arXiv 2202.08906):
    /// β·mean(lse²), dz_{t,i} += (2β/T)·lse_t·p_{t,i}. Both losses are 0 without rows, the first also without counts.
    /// Float32 back ends sum over blocks of 64 rows and combine the blocks in order.
    /// </summary>
    /// <param name="probabilities">[T, E], from <see cref="IForwardKernels.Route"/>.</param>
    /// <param name="lse">[T], the <see cref="IForwardKernels.LogSumExp"/> of the logits.</param>
    /// <param name="counts">I32 [E], from <see cref="CountLoads"/>.</param>
    /// <param name="balance">α.</param>
    /// <param name="zLoss">β.</param>
    /// <param name="losses">[2], written: the balance loss and the z-loss.</param>
    /// <param name="dLogits">[T, E], added to, although they are activations: the losses join what
    /// <see cref="RouteBackward"/> has written.</param>
    void RouterLosses(Tensor probabilities, Tensor lse, Tensor counts, float balance, float zLoss, Tensor losses, Tensor dLogits);
}
