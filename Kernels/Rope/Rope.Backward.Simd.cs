using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes>
{
    /// <inheritdoc cref="ITrainingKernels.RopeBackward"/>
    public void RopeBackward(Tensor dy, Tensor table, Tensor dx) => Rotate(dy, table, dx, -1);
}
