using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public partial interface IForwardKernels
{
    /// <summary>
    /// lse[t] = ln Σ_v e^{logits[t, v]}, without overflow. The one log-sum-exp of sampling and of the loss: float32 back
    /// ends walk the vocabulary in fixed blocks, so that the log-probability of a sampled token is the trainer's, bit
    /// for bit. Absolute error at most 2⁻²⁰ · max(1, |lse|).
    /// </summary>
    /// <param name="logits">[T, V].</param>
    /// <param name="lse">[T].</param>
    void LogSumExp(Tensor logits, Tensor lse);
}
