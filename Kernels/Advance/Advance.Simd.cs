using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes>
{
    /// <inheritdoc cref="IForwardKernels.Advance"/>
    public void Advance(Tensor counters, int count)
    {
        // A decoding loop has one counter a sequence: too few for vectors.
        foreach (ref int counter in counters.Span<int>())
            counter += count;
    }
}
