using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public partial interface ITrainingKernels
{
    /// <summary>
    /// The backward of <see cref="IForwardKernels.Embed"/>: dTable[ids[t]] += dy[t], in the order of t where an id comes
    /// several times. Rows of ids that do not occur stay as they are. An id outside of the table throws
    /// <see cref="ArgumentOutOfRangeException"/> before anything is added.
    /// </summary>
    /// <param name="ids">I32 [T].</param>
    /// <param name="dy">[T, H].</param>
    /// <param name="dTable">[V, H], added to.</param>
    void EmbedBackward(Tensor ids, Tensor dy, Tensor dTable);
}
