using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public partial interface IForwardKernels
{
    /// <summary>
    /// y = silu(gate) ⊙ up with silu(z) = z/(1 + e^{−z}) (Shazeer, arXiv 2002.05202).
    /// Float32 back ends use the exponential of this project; relative error of silu at most 2⁻²¹; below −87,
    /// where it is smaller than 10⁻³⁵, it is 0.
    /// </summary>
    /// <param name="gateUp">[R, 2·I]: a row is the gate, then up.</param>
    /// <param name="y">[R, I].</param>
    void SwiGlu(Tensor gateUp, Tensor y);
}
