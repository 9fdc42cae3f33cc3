using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class RouterBackwardTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Differences_agree_with_the_definition(bool renormalize)
    {
        ITrainingKernels kernels = BackEnds.Training("reference");
        Random random = new(7);
        Shape wide = new(4, 6), narrow = new(4, 2);
        // Distances above the steps: no step changes the choice.
        float[] values = [.. Enumerable.Range(0, 24).Select(i => i % 6 * 0.3f + i / 6 * 0.1f)];
        for (int t = 0; t < 4; t++)
            random.Shuffle(values.AsSpan(t * 6, 6));
        using Tensor logits = kernels.Input(wide, values), dWeights = kernels.Input(narrow, random.Random(8));
        using Tensor p = kernels.Output(wide), weights = kernels.Output(narrow), chosen = Activations.Integers(narrow), dLogits = kernels.Output(wide);
        Loss();
        kernels.RouteBackward(p, chosen, weights, renormalize, dWeights, dLogits);
        FiniteDifferences.Check(logits, Loss, dLogits);

        double Loss()
        {
            kernels.Route(logits, 2, renormalize, p, chosen, weights);
            return FiniteDifferences.Dot(weights, dWeights);
        }
    }

    [Fact]
    public void Differences_agree_with_the_losses()
    {
        ITrainingKernels kernels = BackEnds.Training("reference");
        Random random = new(8);
        Shape wide = new(4, 6), narrow = new(4, 2);
        using Tensor logits = kernels.Input(wide, random.Random(24)), lse = kernels.Output(new Shape(4)), losses = kernels.Output(new Shape(2));
        using Tensor p = kernels.Output(wide), weights = kernels.Output(narrow), chosen = Activations.Integers(narrow);
        using Tensor counts = Activations.Integers(new Shape(6), [0, 5, 2, 9, 1, 3]), dLogits = kernels.Zeros(wide), unused = kernels.Zeros(wide);
        Route();
        kernels.RouterLosses(p, lse, counts, 0.5f, 0.25f, losses, dLogits);
        FiniteDifferences.Check(logits, Loss, dLogits);

        double Loss()
        {
            Route();
            kernels.RouterLosses(p, lse, counts, 0.5f, 0.25f, losses, unused);
            return losses.Read().Sum();
        }

        void Route()
        {
            kernels.Route(logits, 2, true, p, chosen, weights);
            kernels.LogSumExp(logits, lse);
        }
    }

    [Theory]
    [MemberData(nameof(BackEnds.TrainingNames), MemberType = typeof(BackEnds))]
    public void Losses_of_nothing_are_zero(string name)
    {
        ITrainingKernels kernels = BackEnds.Training(name);
        foreach (int rows in new[] { 0, 2 })
        {
            using Tensor p = kernels.Zeros(new Shape(rows, 3)), lse = kernels.Zeros(new Shape(rows)), dLogits = kernels.Zeros(new Shape(rows, 3));
            using Tensor counts = Activations.Integers(new Shape(3), new int[3]), losses = kernels.Output(new Shape(2));
            kernels.RouterLosses(p, lse, counts, 1, 1, losses, dLogits);
            Assert.Equal([0, 0], losses.Read());
            Assert.All(dLogits.Read(), d => Assert.Equal(0, d));
        }
    }

    [Theory]
    [MemberData(nameof(BackEnds.TrainingNames), MemberType = typeof(BackEnds))]
    public void Loads_add_up_over_micro_batches(string name)
    {
        using Tensor counts = Activations.Integers(new Shape(3), [1, 0, 5]);
        using Tensor first = Activations.Integers(new Shape(4), [0, 2, 2, 7]), second = Activations.Integers(new Shape(4), [0, 0, 1, 1]);
        BackEnds.Training(name).CountLoads(first, counts);
        BackEnds.Training(name).CountLoads(second, counts);
        Assert.Equal([3, 1, 10], counts.Read());
    }

    private static double[][] Run(ITrainingKernels kernels, int rows, int experts, int k, bool renormalize, float[] logits, float[] dWeights, int[] loads)
    {
        Shape wide = new(rows, experts), narrow = new(rows, k);
        using Tensor z = kernels.Input(wide, logits), gradient = kernels.Input(narrow, dWeights), counts = Activations.Integers(new Shape(experts), loads);
        using Tensor p = kernels.Output(wide), weights = kernels.Output(narrow), chosen = Activations.Integers(narrow), lse = kernels.Output(new Shape(rows));
        using Tensor dLogits = kernels.Output(wide), losses = kernels.Output(new Shape(2));
        kernels.Route(z, k, renormalize, p, chosen, weights);
        kernels.LogSumExp(z, lse);
        kernels.RouteBackward(p, chosen, weights, renormalize, gradient, dLogits);
        double[] fromWeights = dLogits.Read();
        kernels.RouterLosses(p, lse, counts, 0.5f, 0.25f, losses, dLogits);
        return [fromWeights, dLogits.Read(), losses.Read()];
    }

    [Fact]
    public void Agrees_with_the_definition_with_equal_bits_on_every_back_end() => BackEnds.ForAllShapes(700, 70, (rows, experts, random) =>
    {
        int k = random.Next(1, Math.Min(8, experts) + 1);
        bool renormalize = random.Next(2) == 0;
        float[] logits = random.Random((long)rows * experts), dWeights = random.Random((long)rows * k);
        int[] loads = [.. Enumerable.Range(0, experts).Select(_ => random.Next(100))];
        double[][] want = Run(BackEnds.Training("reference"), rows, experts, k, renormalize, logits, dWeights, loads);
        double[][]? first = null;
        foreach (string name in BackEnds.Simd.Keys)
        {
            double[][] got = Run(BackEnds.Training(name), rows, experts, k, renormalize, logits, dWeights, loads);
            first ??= got;
            for (int i = 0; i < got.Length; i++)
            {
                Activations.AssertClose(want[i], got[i], Math.Pow(2, -18), Math.Pow(2, -18));
                Activations.AssertSame(first[i], got[i]);
            }
        }
    });
}
