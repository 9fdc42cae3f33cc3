using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public partial interface IForwardKernels
{
    /// <summary>
    /// Makes the matrix that this back end multiplies by: <paramref name="parts"/> stacked along their rows (the same
    /// number of columns and format), in the format that they have. The parts are copied, and stay the caller's.
    /// </summary>
    WeightMatrix Prepare(ReadOnlySpan<WeightMatrix> parts);

    /// <summary>
    /// Puts the prepared matrices of a layer's experts, of one shape and format, where <see cref="GroupedMatMul"/> finds them: a
    /// device back end moves them into one block and replaces the elements of <paramref name="experts"/>. Others leave them.
    /// </summary>
    void Gather(WeightMatrix[] experts) { }

    /// <summary>
    /// The F32 vector that <see cref="RmsNorm"/> reads: <paramref name="vector"/> itself, or a copy on the device, after which it
    /// is disposed of.
    /// </summary>
    Tensor PrepareVector(Tensor vector) => vector;

    /// <summary>
    /// y = x·Wᵀ: y[t, n] = Σ_k x[t, k]·W[n, k], x [T, K], W [N, K], y [T, N].
    /// On the processor each y[t, n] is one chain of fused multiply-adds over rising k that begins at 0; on a device it is the
    /// sum, in order, of such chains over 64 columns each. Both hold for every T: decoding, verifying drafts and prefill give the
    /// same bits on one back end. Against float64 the error is that of a chain, at most K·2⁻²⁴·Σ|x·W| and about √K·2⁻²⁴ of it
    /// in practice. On tensor cores (<see cref="MatrixUnits"/>; BF16 and FP8 weights) x is split into two bfloat16, which loses up
    /// to 2⁻¹⁷·Σ|x·W|, and the sum of 64 columns is made of steps of 16 in an order and with a rounding that are the device's own;
    /// an |x| above 3.39·10³⁸ counts as infinite.
    /// </summary>
    void MatMul(Tensor x, WeightMatrix w, Tensor y);

    /// <summary>
    /// The products of experts: rows offsets[e] … offsets[e + 1] − 1 of y [R, N] are x'·experts[e]ᵀ. Row r of x' is row
    /// order[r] / <paramref name="slots"/> of x (gathered), or row r itself where <paramref name="order"/> is null.
    /// Each element is the chain of <see cref="MatMul"/>. Experts without rows are skipped.
    /// </summary>
    /// <param name="x">Activations [T, K], or [R, K] without <paramref name="order"/>.</param>
    /// <param name="order">I32 [R]: which (token · slots + slot) each row serves, sorted by expert; or null.</param>
    /// <param name="slots">How many experts a token has.</param>
    /// <param name="offsets">I32 [E + 1], from <see cref="Dispatch"/>.</param>
    /// <param name="experts">E prepared matrices of one shape and format.</param>
    /// <param name="y">The products [R, N].</param>
    void GroupedMatMul(Tensor x, Tensor? order, int slots, Tensor offsets, WeightMatrix[] experts, Tensor y);
}
