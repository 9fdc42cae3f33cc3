using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Training;

/// <summary>
/// Products of the BF16 recipe: both operands are rounded to bfloat16, nearest even, and products are accumulated and
/// returned in float32. A product of two bfloat16 numbers is exact in float32, so this is what matrix units compute.
/// </summary>
/// <param name="kernels">The back end.</param>
/// <param name="workspace">Where the rounded operands are.</param>
public sealed class BFloat16Products(IOptimizerKernels kernels, IWorkspace workspace)
{
    /// <summary>y = bf16(x)·bf16(w)ᵀ: x [M, K], w [N, K], y [M, N].</summary>
    public void Multiply(Tensor x, Tensor w, Tensor y)
    {
        Tensor left = Rounded(x), right = Rounded(w);
        kernels.MatMul(left, WeightMatrix.RowMajor("right operand", right), y);
        workspace.Release(left);
        workspace.Release(right);
    }

    /// <summary>A copy of x with every number rounded to bfloat16, in the activation type; release it after its last use.</summary>
    public Tensor Rounded(Tensor x)
    {
        Tensor rounded = workspace.Rent(kernels.ActivationType, new Shape(x.Rows, x.Columns));
        kernels.RoundToBFloat16(x, rounded);
        return rounded;
    }
}
