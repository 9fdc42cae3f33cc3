using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes>
{
    /// <inheritdoc cref="IForwardKernels.ArgMax"/>
    public void ArgMax(Tensor logits, Tensor ids)
    {
        int width = logits.Columns;
        for (int t = 0; t < logits.Rows; t++)
        {
            ReadOnlySpan<float> row = logits.Span<float>().Slice(t * width, width);
            int best = SamplingMath.ArgMax(row);
            ids.Pointer<int>()[t] = best >= 0 && float.IsNegativeInfinity(row[best]) ? -1 : best;
        }
    }
}
