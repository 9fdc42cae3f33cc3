namespace Mellum2.Managed.Gpu.Tests;

public sealed class RoutingTests
{
    private static (double[] Probabilities, double[] Experts, double[] Weights) Route(
        IForwardKernels kernels, int rows, int experts, int k, bool renormalize, float[] logits, float[]? bias = null)
    {
        using Tensor? b = bias is null ? null : kernels.Input(new Shape(experts), bias);
        using Tensor x = kernels.Input(new Shape(rows, experts), logits);
        using Tensor p = kernels.Output(new Shape(rows, experts)), weights = kernels.Output(new Shape(rows, k));
        using Tensor chosen = Activations.Integers(new Shape(rows, k), device: kernels.Device);
        kernels.Route(x, k, renormalize, p, chosen, weights, b);
        return (p.Read(), chosen.Read(), weights.Read());
    }

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void Routes_as_the_definition_does(string device) => TestDevices.ForShapes(device, 5, 100, (rows, experts, random) =>
    {
        int k = random.Next(1, Math.Min(experts, 12) + 1);
        bool renormalize = random.Next(2) == 0;
        // Steps of 1/64: equal logits are exactly equal, different ones stay different in float32.
        float[] logits = [.. random.Random((long)rows * experts, scale: 2).Select(z => MathF.Round(z * 64) / 64)];
        float[]? bias = random.Next(2) == 0 ? null : random.Random(experts);
        var want = Route(TestDevices.Reference, rows, experts, k, renormalize, logits, bias);
        var got = Route(TestDevices.Get(device), rows, experts, k, renormalize, logits, bias);
        Activations.AssertClose(want.Probabilities, got.Probabilities, Math.Pow(2, -20), 0);
        Activations.AssertSame(want.Experts, got.Experts);
        Activations.AssertClose(want.Weights, got.Weights, Math.Pow(2, -20), 0);
    });

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void A_bad_row_spoils_no_other_and_still_chooses_different_experts(string device)
    {
        GpuKernels kernels = TestDevices.Get(device);
        float[] logits = new Random(3).Random(3 * 20);
        var before = Route(kernels, 3, 20, 4, true, logits);
        foreach (float bad in new[] { float.NaN, float.PositiveInfinity })
        {
            logits[27] = bad;
            var after = Route(kernels, 3, 20, 4, true, logits);
            Assert.All(after.Probabilities[20..40], p => Assert.True(double.IsNaN(p)));
            Assert.Equal([0, 1, 2, 3], after.Experts[4..8]);
            Activations.AssertSame(before.Probabilities[..20], after.Probabilities[..20]);
            Activations.AssertSame(before.Probabilities[40..], after.Probabilities[40..]);
        }
        logits[27] = float.NegativeInfinity;
        Assert.Equal(0, Route(kernels, 3, 20, 4, true, logits).Probabilities[27]);
    }

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void Dispatch_sorts_as_the_definition_does(string device) => TestDevices.ForShapes(device, 25, 9, (tokens, k, random) =>
    {
        int experts = random.Next(1, 80);
        int[] chosen = [.. Enumerable.Range(0, tokens * k).Select(_ => random.Next(experts))];
        foreach ((double[] want, double[] got) in Sort(TestDevices.Reference).Zip(Sort(TestDevices.Get(device))))
            Activations.AssertSame(want, got);

        double[][] Sort(IForwardKernels kernels)
        {
            using Tensor pairs = Activations.Integers(new Shape(tokens, k), chosen, kernels.Device);
            using Tensor offsets = Activations.Integers(new Shape(experts + 1), device: kernels.Device);
            using Tensor order = Activations.Integers(new Shape(tokens * k), device: kernels.Device);
            using Tensor place = Activations.Integers(new Shape(tokens * k), device: kernels.Device);
            kernels.Dispatch(pairs, offsets, order, place);
            return [offsets.Read(), order.Read(), place.Read()];
        }
    });

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void Combine_agrees_with_the_definition(string device) => TestDevices.ForShapes(device, 9, 100, (tokens, width, random) =>
    {
        int k = random.Next(1, 9);
        int[] place = [.. Enumerable.Range(0, tokens * k)];
        random.Shuffle(place);
        float[] rows = random.Random((long)tokens * k * width), weights = random.Random((long)tokens * k);
        Activations.AssertClose(Combine(TestDevices.Reference), Combine(TestDevices.Get(device)), 1e-6, 4e-6);

        double[] Combine(IForwardKernels kernels)
        {
            using Tensor x = kernels.Input(new Shape(tokens * k, width), rows), w = kernels.Input(new Shape(tokens, k), weights);
            using Tensor p = Activations.Integers(new Shape(tokens * k), place, kernels.Device), y = kernels.Output(new Shape(tokens, width));
            kernels.Combine(x, p, w, y);
            return y.Read();
        }
    });

    [Fact]
    public void More_experts_than_a_group_can_hold_are_refused()
    {
        GpuKernels kernels = TestDevices.Get("emulator:0");
        using Tensor x = kernels.Output(new Shape(1, 1025)), p = kernels.Output(new Shape(1, 1025)), w = kernels.Output(new Shape(1, 2));
        using Tensor chosen = Activations.Integers(new Shape(1, 2), device: kernels.Device);
        InvalidInputException error = Assert.Throws<InvalidInputException>(() => kernels.Route(x, 2, true, p, chosen, w));
        Assert.Contains("1025 experts", error.Message, StringComparison.Ordinal);
    }
}
