using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class RouterTests
{
    internal static (double[] Probabilities, double[] Experts, double[] Weights) Run(
        IForwardKernels kernels, int rows, int experts, int k, bool renormalize, float[] logits, float[]? bias = null)
    {
        using Tensor x = kernels.Input(new Shape(rows, experts), logits);
        using Tensor p = kernels.Output(new Shape(rows, experts)), weights = kernels.Output(new Shape(rows, k));
        using Tensor chosen = kernels.Integers(new Shape(rows, k));
        using Tensor? b = bias is null ? null : kernels.Input(new Shape(experts), bias);
        kernels.Route(x, k, renormalize, p, chosen, weights, b);
        return (p.Read(), chosen.Read(), weights.Read());
    }

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Agrees_with_the_definition(string name) => BackEnds.ForAllShapes(name, 20, 100, (rows, experts, random) =>
    {
        int k = random.Next(1, Math.Min(experts, 12) + 1);
        bool renormalize = random.Next(2) == 0;
        // Steps of 1/64: equal logits are exactly equal, different ones stay different in float32.
        float[] logits = [.. random.Random((long)rows * experts, scale: 2).Select(z => MathF.Round(z * 64) / 64)];
        var want = Run(BackEnds.Reference, rows, experts, k, renormalize, logits);
        var got = Run(BackEnds.Get(name), rows, experts, k, renormalize, logits);
        Activations.AssertClose(want.Probabilities, got.Probabilities, Math.Pow(2, -20), 0);
        Activations.AssertSame(want.Experts, got.Experts);
        Activations.AssertClose(want.Weights, got.Weights, Math.Pow(2, -20), 0);
    });

    [Theory]
    [MemberData(nameof(BackEnds.TrainingNames), MemberType = typeof(BackEnds))]
    public void A_bias_changes_the_choice_and_not_the_weights(string name) => BackEnds.ForAllShapes(name, 12, 70, (rows, experts, random) =>
    {
        int k = random.Next(1, Math.Min(experts, 12) + 1);
        bool renormalize = random.Next(2) == 0;
        // Steps of 1/8 for biases with an offset for each expert: sums differ by far more than probabilities round.
        float[] logits = random.Random((long)rows * experts, scale: 2);
        int[] steps = [.. Enumerable.Range(0, experts)];
        random.Shuffle(steps);
        float[] bias = [.. steps.Select(step => step * 2f - experts)];
        var plain = Run(BackEnds.Get(name), rows, experts, k, renormalize, logits);
        var got = Run(BackEnds.Get(name), rows, experts, k, renormalize, logits, bias);
        Activations.AssertSame(plain.Probabilities, got.Probabilities);
        double[] order = [.. Enumerable.Range(0, experts).OrderByDescending(e => bias[e]).Take(k).Select(e => (double)e)];
        for (int t = 0; t < rows; t++)
        {
            Activations.AssertSame(order, got.Experts[(t * k)..((t + 1) * k)]);
            double[] p = [.. order.Select(e => got.Probabilities[t * experts + (int)e])];
            double sum = renormalize ? p.Sum() : 1;
            Activations.AssertClose([.. p.Select(value => value / sum)], got.Weights[(t * k)..((t + 1) * k)], Math.Pow(2, -19), 0);
        }
        Activations.AssertSame(plain.Experts, Run(BackEnds.Get(name), rows, experts, k, renormalize, logits, new float[experts]).Experts);
    });

    [Theory]
    [MemberData(nameof(BackEnds.EqualBits), MemberType = typeof(BackEnds))]
    public void Gives_equal_bits_on_every_back_end_and_for_every_split_of_the_rows(string set) => BackEnds.ForAllShapes(set, 60, 100, (rows, experts, random) =>
    {
        int k = random.Next(1, experts + 1);
        float[] logits = random.Random((long)rows * experts, scale: 3);
        (double[] Probabilities, double[] Experts, double[] Weights)? first = null;
        foreach (IForwardKernels kernels in BackEnds.SetOf(set))
        {
            var all = Run(kernels, rows, experts, k, true, logits);
            first ??= all;
            Activations.AssertSame(first.Value.Probabilities, all.Probabilities);
            Activations.AssertSame(first.Value.Experts, all.Experts);
            Activations.AssertSame(first.Value.Weights, all.Weights);
        }
        for (int r = 0; r < rows; r += 7)
        {
            var one = Run(BackEnds.SetOf(set).First(), 1, experts, k, true, logits[(r * experts)..((r + 1) * experts)]);
            Activations.AssertSame(first!.Value.Weights[(r * k)..((r + 1) * k)], one.Weights);
        }
    });

    [Theory]
    [MemberData(nameof(BackEnds.Names), MemberType = typeof(BackEnds))]
    public void A_bad_row_spoils_no_other_and_still_chooses_different_experts(string name)
    {
        IForwardKernels kernels = BackEnds.Get(name);
        float[] logits = new Random(3).Random(3 * 20);
        var before = Run(kernels, 3, 20, 4, true, logits);
        foreach (float bad in new[] { float.NaN, float.PositiveInfinity })
        {
            logits[27] = bad;
            var after = Run(kernels, 3, 20, 4, true, logits);
            Assert.All(after.Probabilities[20..40], p => Assert.True(double.IsNaN(p)));
            Assert.Equal([0, 1, 2, 3], after.Experts[4..8]);
            Activations.AssertSame(before.Probabilities[..20], after.Probabilities[..20]);
            Activations.AssertSame(before.Probabilities[40..], after.Probabilities[40..]);
        }
        logits[27] = float.NegativeInfinity;
        Assert.Equal(0, Run(kernels, 3, 20, 4, true, logits).Probabilities[27]);
    }
}
