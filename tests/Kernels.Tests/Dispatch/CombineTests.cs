using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class CombineTests
{
    [Fact]
    public void Combine_is_one_chain_over_the_slots_on_every_back_end() => BackEnds.ForAllShapes(20, 1500, (tokens, width, random) =>
    {
        int k = random.Next(1, 9);
        int[] place = [.. Enumerable.Range(0, tokens * k)];
        random.Shuffle(place);
        float[] rows = random.Random((long)tokens * k * width, extremes: true), weights = random.Random((long)tokens * k);
        double[] want = new double[tokens * width];
        for (int t = 0; t < tokens; t++)
        {
            for (int i = 0; i < width; i++)
            {
                float sum = 0;
                for (int slot = 0; slot < k; slot++)
                    sum = MathF.FusedMultiplyAdd(weights[t * k + slot], rows[place[t * k + slot] * width + i], sum);
                want[t * width + i] = sum;
            }
        }
        foreach (IForwardKernels kernels in BackEnds.Simd.Values)
            Activations.AssertSame(want, DispatchTests.Combine(kernels, tokens, k, width, rows, place, weights));
    });
}
