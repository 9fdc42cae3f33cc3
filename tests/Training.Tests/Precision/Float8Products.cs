using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Training.Tests;

/// <summary>
/// The products of a linear layer y = xWᵀ in the hybrid FP8 recipe with tensorwise current scaling (Micikevicius and others,
/// arXiv:2209.05433): x and W are E4M3, output gradients E5M2; the backward products reuse the forward's codes.
/// A product is that of the decoded codes, accumulated in float32 (or float64, by the reference), times both inverse scales.
/// Every code is exact in float32, and so is the product of two. The tape does this in fused kernels; here it is step by step.
/// </summary>
/// <param name="kernels">The back end.</param>
/// <param name="workspace">Where codes and decoded operands are.</param>
internal sealed class Float8Products(IOptimizerKernels kernels, IWorkspace workspace)
{
    /// <summary>Scales and rounds a matrix. <see cref="Release"/> what is returned after its last use.</summary>
    /// <param name="x">The matrix.</param>
    /// <param name="format">F8E4M3 for activations and weights, F8E5M2 for gradients.</param>
    public Float8Operand Quantize(Tensor x, DType format)
    {
        float maximum = kernels.AbsoluteMaximum(x);
        Float8Scale scale = Float8Scale.For(maximum, format);
        Tensor codes = workspace.Rent(format, x.Shape);
        kernels.QuantizeFloat8(x, scale.Value, codes);
        return new Float8Operand(codes, maximum, scale);
    }

    /// <summary>Gives back an operand's codes.</summary>
    public void Release(Float8Operand operand) => workspace.Release(operand.Codes);

    /// <summary>y = xWᵀ: x [M, K] E4M3, W [N, K] E4M3, y [M, N].</summary>
    public void Forward(Float8Operand x, Float8Operand w, Tensor y)
    {
        Tensor left = Decode(x), right = Decode(w);
        Multiply(left, right, x, w, y);
    }

    /// <summary>dx = dy·W: dy [M, N] E5M2, W [N, K] E4M3, dx [M, K].</summary>
    public void InputGradient(Float8Operand dy, Float8Operand w, Tensor dx)
    {
        Tensor left = Decode(dy), right = Transposed(Decode(w));
        Multiply(left, right, dy, w, dx);
    }

    /// <summary>dW = dyᵀ·x: dy [M, N] E5M2, x [M, K] E4M3, dW [N, K].</summary>
    public void WeightGradient(Float8Operand dy, Float8Operand x, Tensor dw)
    {
        Tensor left = Transposed(Decode(dy)), right = Transposed(Decode(x));
        Multiply(left, right, dy, x, dw);
    }

    private Tensor Decode(Float8Operand operand)
    {
        Tensor values = workspace.Rent(kernels.ActivationType, new Shape(operand.Codes.Rows, operand.Codes.Columns));
        kernels.DecodeFloat8(operand.Codes, values);
        return values;
    }

    private Tensor Transposed(Tensor x)
    {
        Tensor y = workspace.Rent(kernels.ActivationType, new Shape(x.Columns, x.Rows));
        kernels.Transpose(x, y);
        workspace.Release(x);
        return y;
    }

    // result = left·rightᵀ times both inverses. Their product may lie outside of float32 where the result does not: its
    // fraction and half of its exponent are one factor, the other half is another, which loses nothing.
    private void Multiply(Tensor left, Tensor right, Float8Operand a, Float8Operand b, Tensor result)
    {
        kernels.MatMul(left, WeightMatrix.RowMajor("right operand", right), result);
        double factor = (double)a.Scale.Inverse * b.Scale.Inverse;
        int half = Math.ILogB(factor) / 2;
        kernels.Scale(result, Math.ScaleB(factor, -half));
        kernels.Scale(result, Math.ScaleB(1, half));
        workspace.Release(left);
        workspace.Release(right);
    }
}
