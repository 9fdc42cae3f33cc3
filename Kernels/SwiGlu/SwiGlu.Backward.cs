using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public partial interface ITrainingKernels
{
    /// <summary>
    /// The backward of <see cref="IForwardKernels.SwiGlu"/>: with σ(z) = 1/(1 + e^{−z}),
    /// dgate = dy ⊙ up ⊙ σ(gate)·(1 + gate·(1 − σ(gate))), dup = dy ⊙ silu(gate). The derivative of silu is 0 at −∞ and 1 at
    /// ∞. Float32 back ends: relative error at most 2⁻²⁰, beside an absolute one of 2⁻²¹·|dy ⊙ up| where the derivative
    /// passes through 0 (near −1.28).
    /// </summary>
    /// <param name="gateUp">[R, 2·I]: a row is the gate, then up.</param>
    /// <param name="dy">[R, I].</param>
    /// <param name="dGateUp">The shape of gateUp, written.</param>
    void SwiGluBackward(Tensor gateUp, Tensor dy, Tensor dGateUp);
}
