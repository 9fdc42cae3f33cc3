using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public partial interface IForwardKernels
{
    /// <summary>
    /// Chooses experts: p = softmax(logits) over all E experts; the k largest p in falling order, the lowest index first
    /// among equals; their weights are p, divided by their sum where <paramref name="renormalize"/> is set.
    /// Always computed from logits in the activation type, never from rounded ones. With a bias b the choice is that of the k
    /// largest p + b, in falling order; the weights are made of p as before (balancing without a loss, Wang et al.,
    /// arXiv 2408.15664; DeepSeek-V3, arXiv 2412.19437).
    /// </summary>
    /// <param name="logits">[T, E].</param>
    /// <param name="k">Experts per token, at most E.</param>
    /// <param name="renormalize">Whether the chosen weights add up to one (<c>norm_topk_prob</c>).</param>
    /// <param name="probabilities">[T, E].</param>
    /// <param name="experts">I32 [T, k].</param>
    /// <param name="weights">[T, k].</param>
    /// <param name="bias">b, [E] in the activation type, or null for none.</param>
    void Route(Tensor logits, int k, bool renormalize, Tensor probabilities, Tensor experts, Tensor weights, Tensor? bias = null);
}
