using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class ReferenceKernels
{
    /// <inheritdoc/>
    public void Route(Tensor logits, int k, bool renormalize, Tensor probabilities, Tensor experts, Tensor weights, Tensor? bias = null)
    {
        int count = logits.Columns;
        double BiasOf(int e) => bias is null ? 0 : bias.Pointer<double>()[e];
        for (int t = 0; t < logits.Rows; t++)
        {
            double* z = logits.Pointer<double>() + (long)t * count;
            double* p = probabilities.Pointer<double>() + (long)t * count;
            int* chosen = experts.Pointer<int>() + (long)t * k;
            double* weight = weights.Pointer<double>() + (long)t * k;
            double maximum = double.NegativeInfinity, sum = 0;
            for (int e = 0; e < count; e++)
                maximum = Math.Max(maximum, z[e]);
            for (int e = 0; e < count; e++)
                sum += p[e] = Math.Exp(z[e] - maximum);
            for (int e = 0; e < count; e++)
                p[e] /= sum;
            double chosenSum = 0;
            for (int slot = 0; slot < k; slot++)
            {
                int best = -1;
                for (int e = 0; e < count; e++)
                    if (!new ReadOnlySpan<int>(chosen, slot).Contains(e) && (best < 0 || p[e] + BiasOf(e) > p[best] + BiasOf(best)))
                        best = e;
                chosen[slot] = best;
                chosenSum += p[best];
            }
            for (int slot = 0; slot < k; slot++)
                weight[slot] = renormalize ? p[chosen[slot]] / chosenSum : p[chosen[slot]];
        }
    }
}
