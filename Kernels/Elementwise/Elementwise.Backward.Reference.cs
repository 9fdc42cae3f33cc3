using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class ReferenceKernels
{
    /// <inheritdoc/>
    public void Accumulate(Tensor x, Tensor sum)
    {
        for (long i = 0; i < sum.Count; i++)
            sum.Pointer<double>()[i] += x.Pointer<double>()[i];
    }

    /// <inheritdoc/>
    public void CopyRowsBackward(Tensor dy, int firstRow, Tensor dx) => RowCopies.Place(dy, firstRow, dx);

    /// <inheritdoc/>
    public void ConcatenateBackward(Tensor dy, Tensor da, Tensor db) => RowCopies.Split(dy, da, db);
}
