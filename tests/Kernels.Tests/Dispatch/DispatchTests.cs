using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class DispatchTests
{
    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Sorts_as_the_definition_does(string name) => BackEnds.ForAllShapes(name, 200, 9, (tokens, k, random) =>
    {
        int experts = random.Next(1, 80);
        int[] chosen = [.. Enumerable.Range(0, tokens * k).Select(_ => random.Next(experts))];
        foreach ((double[] want, double[] got) in Sort(BackEnds.Reference).Zip(Sort(BackEnds.Get(name))))
            Activations.AssertSame(want, got);

        double[][] Sort(IForwardKernels kernels)
        {
            using Tensor pairs = kernels.Integers(new Shape(tokens, k), chosen);
            using Tensor offsets = kernels.Integers(new Shape(experts + 1));
            using Tensor order = kernels.Integers(new Shape(tokens * k)), place = kernels.Integers(new Shape(tokens * k));
            kernels.Dispatch(pairs, offsets, order, place);
            return [offsets.Read(), order.Read(), place.Read()];
        }
    });

    internal static double[] Combine(IForwardKernels kernels, int tokens, int k, int width, float[] rows, int[] place, float[] weights)
    {
        using Tensor x = kernels.Input(new Shape(rows.Length / width, width), rows), w = kernels.Input(new Shape(tokens, k), weights);
        using Tensor p = kernels.Integers(new Shape(tokens * k), place), y = kernels.Output(new Shape(tokens, width));
        kernels.Combine(x, p, w, y);
        return y.Read();
    }

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Combine_agrees_with_the_definition(string name) => BackEnds.ForAllShapes(name, 70, 300, (tokens, width, random) =>
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
