using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public partial interface ITrainingKernels
{
    /// <summary>
    /// The backward of <see cref="IForwardKernels.Rope"/>, the rotation by the negative angle:
    /// dx_i = dy_i·cos_i + dy_{i+d/2}·sin_i, dx_{i+d/2} = dy_{i+d/2}·cos_i − dy_i·sin_i. Rounded as the forward rotation.
    /// </summary>
    /// <param name="dy">[T, heads · d].</param>
    /// <param name="table">[T, d], the table of the forward pass.</param>
    /// <param name="dx">The shape of dy, written.</param>
    void RopeBackward(Tensor dy, Tensor table, Tensor dx);
}
