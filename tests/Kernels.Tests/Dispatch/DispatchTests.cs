using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class DispatchTests
{
    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Sorts_as_the_definition_does(string name) => BackEnds.ForAllShapes(30, 9, (tokens, k, random) =>
    {
        int experts = random.Next(1, 20);
        int[] chosen = [.. Enumerable.Range(0, tokens * k).Select(_ => random.Next(experts))];
        foreach ((double[] want, double[] got) in Sort(BackEnds.Reference).Zip(Sort(BackEnds.Get(name))))
            Activations.AssertSame(want, got);

        double[][] Sort(IForwardKernels kernels)
        {
            using Tensor pairs = Activations.Integers(new Shape(tokens, k), chosen);
            using Tensor offsets = Activations.Integers(new Shape(experts + 1));
            using Tensor order = Activations.Integers(new Shape(tokens * k)), place = Activations.Integers(new Shape(tokens * k));
            kernels.Dispatch(pairs, offsets, order, place);
            return [offsets.Read(), order.Read(), place.Read()];
        }
    });

    private static double[] Combine(IForwardKernels kernels, int tokens, int k, int width, float[] rows, int[] place, float[] weights)
    {
        using Tensor x = kernels.Input(new Shape(rows.Length / width, width), rows), w = kernels.Input(new Shape(tokens, k), weights);
        using Tensor p = Activations.Integers(new Shape(tokens * k), place), y = kernels.Output(new Shape(tokens, width));
        kernels.Combine(x, p, w, y);
        return y.Read();
    }

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
            Activations.AssertSame(want, Combine(kernels, tokens, k, width, rows, place, weights));
    });

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Combine_agrees_with_the_definition(string name) => BackEnds.ForAllShapes(9, 100, (tokens, width, random) =>
    {
        int k = random.Next(1, 9);
        int[] place = [.. Enumerable.Range(0, tokens * k)];
        random.Shuffle(place);
        float[] rows = random.Random((long)tokens * k * width), weights = random.Random((long)tokens * k);
        Activations.AssertClose(
            Combine(BackEnds.Reference, tokens, k, width, rows, place, weights),
            Combine(BackEnds.Get(name), tokens, k, width, rows, place, weights), 1e-6, 4e-6);
    });
}
