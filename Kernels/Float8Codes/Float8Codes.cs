using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public partial interface IForwardKernels
{
    /// <summary>
    /// Rounds to bfloat16, nearest even; overflow gives infinity, NaN stays NaN.
    /// </summary>
    /// <param name="x">Numbers in the activation type.</param>
    /// <param name="y">The rounded numbers, in the activation type; it may be x.</param>
    void RoundToBFloat16(Tensor x, Tensor y);
}

public partial interface IOptimizerKernels
{
    /// <summary>amax = max |x|: 0 of no elements, NaN if any element is NaN.</summary>
    float AbsoluteMaximum(Tensor x);

    /// <summary>
    /// Codes of scaled numbers: code = sat(x·scale), the product rounded to float32, then to the format of
    /// <paramref name="codes"/> (F8E4M3 or F8E5M2): nearest even, saturating, NaN to a NaN code. The same bits in every back end.
    /// </summary>
    /// <param name="x">Numbers; float64 ones are rounded to float32 first.</param>
    /// <param name="scale">The scale, a finite number.</param>
    /// <param name="codes">The codes, in the shape of x.</param>
    void QuantizeFloat8(Tensor x, float scale, Tensor codes);

    /// <summary>The values of codes (F8E4M3 or F8E5M2), exactly.</summary>
    /// <param name="codes">Codes [R, C].</param>
    /// <param name="values">The values [R, C].</param>
    void DecodeFloat8(Tensor codes, Tensor values);

    /// <summary>y = xᵀ: x [R, C], y [C, R]; a tensor of more dimensions counts as a matrix of its rows.</summary>
    void Transpose(Tensor x, Tensor y);
}

/// <summary>What every back end demands of codes.</summary>
internal static class Float8Tensors
{
    /// <summary>Checks formats and counts.</summary>
    public static void Check(Tensor codes, Tensor numbers, DType type)
    {
        if (codes.Type is not (DType.F8E4M3 or DType.F8E5M2) || numbers.Type != type || codes.Count != numbers.Count)
            throw new ArgumentException($"8-bit codes and as many numbers of {type} are expected, not {codes} and {numbers}.");
    }

    /// <summary>Checks that y has room for xᵀ.</summary>
    public static void CheckTransposed(Tensor x, Tensor y, DType type)
    {
        if (x.Type != type || y.Type != type || y.Rows != x.Columns || y.Columns != x.Rows)
            throw new ArgumentException($"The transpose of {x} cannot be written to {y}.");
    }
}
