using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public partial interface IForwardKernels
{
    /// <summary>
    /// The rotary table of some positions: row t is cos(p·f_0) … cos(p·f_{d/2−1}) sin(p·f_0) … sin(p·f_{d/2−1}) with
    /// p = positions[t], times the attention factor. Computed in float64 and rounded once.
    /// </summary>
    /// <param name="positions">I32 [T].</param>
    /// <param name="parameters">The frequencies f.</param>
    /// <param name="table">[T, d].</param>
    void RopeTable(Tensor positions, RopeParameters parameters, Tensor table);

    /// <summary>
    /// Rotates pairs (x_i, x_{i + d/2}) of every head ("rotate half"):
    /// y_i = x_i·cos_i − x_{i+d/2}·sin_i, y_{i+d/2} = x_{i+d/2}·cos_i + x_i·sin_i.
    /// Float32 back ends round the second product and fuse the first into the difference; error at most 2⁻²³ of |x|.
    /// </summary>
    /// <param name="x">[T, heads · d].</param>
    /// <param name="table">[T, d], from <see cref="RopeTable"/>.</param>
    /// <param name="y">The shape of x.</param>
    void Rope(Tensor x, Tensor table, Tensor y);
}
