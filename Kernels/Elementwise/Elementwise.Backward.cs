using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public partial interface ITrainingKernels
{
    /// <summary>
    /// sum += x, both of one shape: how the gradients of a tensor with several uses come together. It is all that the
    /// backward of <see cref="IForwardKernels.Add"/> needs, whose gradient is dy for both operands.
    /// </summary>
    void Accumulate(Tensor x, Tensor sum);

    /// <summary>
    /// The backward of <see cref="IForwardKernels.CopyRows"/>: rows <paramref name="firstRow"/> … of dx are dy, the others 0.
    /// </summary>
    void CopyRowsBackward(Tensor dy, int firstRow, Tensor dx);

    /// <summary>
    /// The backward of <see cref="IForwardKernels.Concatenate"/>: [da[t]; db[t]] = dy[t], [T, A + B] to [T, A] and [T, B].
    /// </summary>
    void ConcatenateBackward(Tensor dy, Tensor da, Tensor db);
}
