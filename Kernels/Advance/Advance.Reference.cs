using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed partial class ReferenceKernels
{
    /// <inheritdoc/>
    public void Advance(Tensor counters, int count)
    {
        foreach (ref int counter in counters.Span<int>())
            counter += count;
    }
}
