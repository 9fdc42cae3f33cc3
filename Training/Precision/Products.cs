using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Training;

/// <summary>Products of plain matrices.</summary>
internal static unsafe class Products
{
    /// <summary>y = x·wᵀ: x [M, K], w [N, K], y [M, N]; zero where K is 0.</summary>
    public static void TimesTransposed(IForwardKernels kernels, Tensor x, Tensor w, Tensor y)
    {
        if (x.Columns == 0)
            new Span<byte>(y.Data, checked((int)y.ByteLength)).Clear();
        else
            kernels.MatMul(x, WeightMatrix.RowMajor("operand", w), y);
    }
}
