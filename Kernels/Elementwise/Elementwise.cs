using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public partial interface IForwardKernels
{
    /// <summary>y = a + b, all of one shape.</summary>
    void Add(Tensor a, Tensor b, Tensor y);

    /// <summary>y = rows <paramref name="firstRow"/> … of x, as many as y has.</summary>
    void CopyRows(Tensor x, int firstRow, Tensor y);

    /// <summary>y[t] = [a[t]; b[t]], [T, A] and [T, B] to [T, A + B].</summary>
    void Concatenate(Tensor a, Tensor b, Tensor y);
}
