using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public partial interface IForwardKernels
{
    /// <summary>
    /// y = x / √(mean(x²) + ε) · w over groups of n = w.Count consecutive elements. With n = the row's length this is
    /// the norm of a layer; with n = head_dim on [T, heads · head_dim] it is the QK-norm of every head.
    /// Float32 back ends sum the squares in sixteen lanes; relative error at most 2⁻²⁰.
    /// </summary>
    /// <param name="x">Activations; their row length is a multiple of n.</param>
    /// <param name="weight">F32 [n].</param>
    /// <param name="epsilon">ε, inside of the root.</param>
    /// <param name="y">The shape of x.</param>
    void RmsNorm(Tensor x, Tensor weight, float epsilon, Tensor y);
}
