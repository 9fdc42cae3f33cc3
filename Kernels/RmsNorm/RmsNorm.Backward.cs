using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public partial interface ITrainingKernels
{
    /// <summary>
    /// The backward of <see cref="IForwardKernels.RmsNorm"/>. With r = 1/√(mean(x²) + ε) and x̂ = r·x in each group:
    /// dx = r·(w ⊙ dy − x̂·mean(w ⊙ dy ⊙ x̂)), dw += Σ_groups dy ⊙ x̂.
    /// Float32 back ends sum dw over blocks of 64 groups, which are combined in order. Error at most 2⁻¹⁸ of the largest
    /// |w ⊙ dy|·r of the group for dx, of Σ|dy ⊙ x̂| for dw.
    /// </summary>
    /// <param name="x">The input of the forward pass.</param>
    /// <param name="weight">F32 [n].</param>
    /// <param name="epsilon">ε of the forward pass.</param>
    /// <param name="dy">The shape of x.</param>
    /// <param name="dx">The shape of x, written.</param>
    /// <param name="dw">[n], added to.</param>
    void RmsNormBackward(Tensor x, Tensor weight, float epsilon, Tensor dy, Tensor dx, Tensor dw);
}
