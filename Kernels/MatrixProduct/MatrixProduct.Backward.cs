using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public partial interface ITrainingKernels
{
    /// <summary>
    /// The gradient of <see cref="IForwardKernels.MatMul"/> with respect to x: dx = dy·W, dx[t, k] = Σ_n dy[t, n]·W[n, k].
    /// Each element is one chain of fused multiply-adds over rising n that begins at 0; errors as in the forward product.
    /// </summary>
    /// <param name="dy">[T, N].</param>
    /// <param name="w">[N, K], row-major in the activation type.</param>
    /// <param name="dx">[T, K], written.</param>
    void MatMulBackwardInput(Tensor dy, WeightMatrix w, Tensor dx);

    /// <summary>
    /// The gradient of <see cref="IForwardKernels.MatMul"/> with respect to W: dW += dyᵀ·x,
    /// dW[n, k] += Σ_t dy[t, n]·x[t, k]. Each element is one chain of fused multiply-adds over rising t that begins at what
    /// dW holds, so that a batch in one call or in several gives the same bits.
    /// </summary>
    /// <param name="dy">[T, N].</param>
    /// <param name="x">[T, K].</param>
    /// <param name="dw">[N, K], added to.</param>
    void MatMulBackwardWeight(Tensor dy, Tensor x, Tensor dw);

    /// <summary>
    /// The gradient of <see cref="IForwardKernels.GroupedMatMul"/> with respect to its rows: row r of dx is dy[r]·experts[e]
    /// for the rows offsets[e] … offsets[e + 1] − 1 of expert e. Where the forward product gathered its rows,
    /// <see cref="GatherBackward"/> brings them back to their tokens.
    /// </summary>
    /// <param name="dy">[R, N].</param>
    /// <param name="offsets">I32 [E + 1].</param>
    /// <param name="experts">E matrices [N, K], row-major in the activation type.</param>
    /// <param name="dx">[R, K], written.</param>
    void GroupedMatMulBackwardInput(Tensor dy, Tensor offsets, WeightMatrix[] experts, Tensor dx);

    /// <summary>
    /// The gradient of <see cref="IForwardKernels.GroupedMatMul"/> with respect to its matrices:
    /// dw[e] += Σ_r dy[r]ᵀ·x'[r] over the rows of expert e in rising order, x' gathered as in the forward product. An expert
    /// without rows keeps its gradient as it is.
    /// </summary>
    /// <param name="dy">[R, N].</param>
    /// <param name="x">Activations [T, K], or [R, K] without <paramref name="order"/>.</param>
    /// <param name="order">I32 [R], from <see cref="IForwardKernels.Dispatch"/>, or null.</param>
    /// <param name="slots">How many experts a token has.</param>
    /// <param name="offsets">I32 [E + 1].</param>
    /// <param name="dw">E gradients [N, K], added to.</param>
    void GroupedMatMulBackwardWeight(Tensor dy, Tensor x, Tensor? order, int slots, Tensor offsets, Tensor[] dw);
}
