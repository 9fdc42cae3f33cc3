using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class DispatchBackwardTests
{
    [Fact]
    public void Differences_agree_with_the_definition()
    {
        ITrainingKernels kernels = BackEnds.Training("reference");
        Random random = new(9);
        using Tensor rows = kernels.Input(new Shape(6, 5), random.Random(30)), weights = kernels.Input(new Shape(3, 2), random.Random(6));
        using Tensor place = Activations.Integers(new Shape(6), [4, 1, 0, 5, 3, 2]), dy = kernels.Input(new Shape(3, 5), random.Random(15));
        using Tensor y = kernels.Output(new Shape(3, 5)), dRows = kernels.Output(new Shape(6, 5)), dWeights = kernels.Output(new Shape(3, 2));
        kernels.CombineBackward(rows, place, weights, dy, dRows, dWeights);
        FiniteDifferences.Check(rows, Loss, dRows);
        FiniteDifferences.Check(weights, Loss, dWeights);

        double Loss()
        {
            kernels.Combine(rows, place, weights, y);
            return FiniteDifferences.Dot(y, dy);
        }
    }

    private static (double[] DRows, double[] DWeights, double[] Dx) Run(
        ITrainingKernels kernels, int tokens, int slots, int width, float[] rows, int[] place, float[] weights, float[] dy)
    {
        int pairs = tokens * slots;
        using Tensor results = kernels.Input(new Shape(pairs, width), rows), factors = kernels.Input(new Shape(tokens, slots), weights);
        using Tensor places = Activations.Integers(new Shape(pairs), place), gradient = kernels.Input(new Shape(tokens, width), dy);
        using Tensor dRows = kernels.Output(new Shape(pairs, width)), dWeights = kernels.Output(new Shape(tokens, slots));
        using Tensor dx = kernels.Output(new Shape(tokens, width));
        kernels.CombineBackward(results, places, factors, gradient, dRows, dWeights);
        kernels.GatherBackward(results, places, slots, dx);
        return (dRows.Read(), dWeights.Read(), dx.Read());
    }

    [Fact]
    public void Agrees_with_the_definition_with_equal_bits_on_every_back_end() => BackEnds.ForAllShapes(40, 300, (tokens, width, random) =>
    {
        int slots = random.Next(1, 5), pairs = tokens * slots;
        int[] place = [.. Enumerable.Range(0, pairs)];
        random.Shuffle(place);
        float[] rows = random.Random((long)pairs * width), weights = random.Random(pairs), dy = random.Random((long)tokens * width);
        (double[] DRows, double[] DWeights, double[] Dx) want = Run(BackEnds.Training("reference"), tokens, slots, width, rows, place, weights, dy);
        (double[] DRows, double[] DWeights, double[] Dx)? first = null;
        foreach (string name in BackEnds.Simd.Keys)
        {
            (double[] DRows, double[] DWeights, double[] Dx) got = Run(BackEnds.Training(name), tokens, slots, width, rows, place, weights, dy);
            Activations.AssertClose(want.DRows, got.DRows, Math.Pow(2, -23), 0);
            Activations.AssertClose(want.DWeights, got.DWeights, 0, Math.Pow(2, -20) * width);
            Activations.AssertClose(want.Dx, got.Dx, 0, Math.Pow(2, -21) * slots);
            first ??= got;
            Activations.AssertSame(first.Value.DRows, got.DRows);
            Activations.AssertSame(first.Value.DWeights, got.DWeights);
            Activations.AssertSame(first.Value.Dx, got.Dx);
        }
    });
}
