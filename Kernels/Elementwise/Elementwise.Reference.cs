using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class ReferenceKernels
{
    /// <inheritdoc/>
    public void Add(Tensor a, Tensor b, Tensor y)
    {
        for (long i = 0; i < y.Count; i++)
            y.Pointer<double>()[i] = a.Pointer<double>()[i] + b.Pointer<double>()[i];
    }

    /// <inheritdoc/>
    public void CopyRows(Tensor x, int firstRow, Tensor y) => RowCopies.Copy(x, firstRow, y);

    /// <inheritdoc/>
    public void Concatenate(Tensor a, Tensor b, Tensor y) => RowCopies.Concatenate(a, b, y);
}
