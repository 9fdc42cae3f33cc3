using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public partial interface IForwardKernels
{
    /// <summary>
    /// ids[t] = arg max_v logits[t, v], the lowest v on a tie; −1 where there is no choice, because a logit is NaN or all are −∞.
    /// Exact. It is greedy decoding's choice where the logits are: one number a row has to be read instead of V.
    /// </summary>
    /// <param name="logits">[T, V].</param>
    /// <param name="ids">I32 [T].</param>
    void ArgMax(Tensor logits, Tensor ids);
}
