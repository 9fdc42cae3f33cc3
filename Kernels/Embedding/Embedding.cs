using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public partial interface IForwardKernels
{
    /// <summary>
    /// Makes the table that <see cref="Embed"/> reads, in its stored format. A model that ties embedding and output head
    /// passes the matrix of <see cref="Prepare"/> to <see cref="Embed"/> instead, so that it is in memory once.
    /// </summary>
    WeightMatrix PrepareEmbedding(WeightMatrix table);

    /// <summary>
    /// y[t] = table[ids[t]], exactly (times the scale where there is one). ids I32 [T], table [V, H], y [T, H].
    /// An id outside of the table is the caller's error and throws <see cref="ArgumentOutOfRangeException"/>; on a device, whose
    /// host does not see the ids, it gives a row of NaN.
    /// </summary>
    void Embed(Tensor ids, WeightMatrix table, Tensor y);
}
