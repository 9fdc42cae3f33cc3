using Mellum2.Managed.Engine;
using Mellum2.Managed.Tests;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class CrossEntropyTests
{
    internal static (double[] Losses, double[] RowLosses, double[] Lse, double[] DLogits) Run(
        ITrainingKernels kernels, int width, float[] logits, int[] targets, CrossEntropyParameters parameters, bool inPlace = false)
    {
        int rows = targets.Length;
        using Tensor z = kernels.Input(new Shape(rows, width), logits), target = Activations.Integers(new Shape(rows), targets);
        using Tensor losses = kernels.Output(new Shape(2)), rowLosses = kernels.Output(new Shape(rows)), lse = kernels.Output(new Shape(rows));
        using Tensor dz = kernels.Output(new Shape(rows, width));
        kernels.CrossEntropy(z, target, parameters, losses, rowLosses, lse, inPlace ? z : dz);
        return (losses.Read(), rowLosses.Read(), lse.Read(), (inPlace ? z : dz).Read());
    }

    [Theory]
    [MemberData(nameof(BackEnds.TrainingWithGoldens), "cross_entropy", MemberType = typeof(BackEnds))]
    public void Golden_losses_and_dlogits_agree(string backEnd, string name)
    {
        GoldenCase golden = GoldenManifest.Numerics("cross_entropy")[name];
        int[] targets = golden["targets"].Integers();
        int ignored = golden.Integer("ignore_index");
        Assert.Equal(CrossEntropyParameters.Ignored, ignored);
        CrossEntropyParameters parameters = new(1f / Math.Max(1, targets.Count(t => t != ignored)), (float)golden.Number("z"));
        foreach (bool inPlace in new[] { false, true })
        {
            (double[] losses, double[] rowLosses, double[] lse, double[] dz) = Run(
                BackEnds.Training(backEnd), golden["logits"].Shape[1], golden["logits"].Singles(), targets, parameters, inPlace);
            golden["ce_loss"].Check([losses[0]]);
            golden["z_loss"].Check([losses[1]]);
            golden["loss"].Check([losses[0] + losses[1]]);
            golden["row_loss"].Check(rowLosses);
            golden["lse"].Check(lse);
            golden["dlogits"].Check(dz);
        }
    }

    [Fact]
    public void Differences_agree_with_the_definition()
    {
        ITrainingKernels kernels = BackEnds.Training("reference");
        Random random = new(4);
        CrossEntropyParameters parameters = new(0.25f, 0.125f);
        using Tensor z = kernels.Input(new Shape(4, 9), random.Random(36, scale: 3)), targets = Activations.Integers(new Shape(4), [3, -100, 8, 0]);
        using Tensor losses = kernels.Output(new Shape(2)), rowLosses = kernels.Output(new Shape(4)), lse = kernels.Output(new Shape(4));
        using Tensor dz = kernels.Output(new Shape(4, 9));
        kernels.CrossEntropy(z, targets, parameters, losses, rowLosses, lse, dz);
        FiniteDifferences.Check(z, Loss, dz);

        double Loss()
        {
            kernels.CrossEntropy(z, targets, parameters, losses, rowLosses, lse, null);
            return losses.Read().Sum();
        }
    }

    [Theory]
    [MemberData(nameof(BackEnds.TrainingNames), MemberType = typeof(BackEnds))]
    public void A_target_outside_of_the_vocabulary_is_refused(string name)
    {
        foreach (int bad in new[] { -1, 3, -101 })
            Assert.Throws<ArgumentOutOfRangeException>(() => Run(BackEnds.Training(name), 3, new float[6], [0, bad], new(1, 0)));
    }

    [Fact]
    public void Agrees_with_the_definition_with_equal_bits_on_every_back_end() => BackEnds.ForAllShapes(9, 9000, (rows, width, random) =>
    {
        float[] logits = random.Random((long)rows * width, scale: 5);
        int[] targets = [.. Enumerable.Range(0, rows).Select(_ => random.Next(4) == 0 ? CrossEntropyParameters.Ignored : random.Next(width))];
        CrossEntropyParameters parameters = new(0.5f, 0.01f);
        (double[] Losses, double[] RowLosses, double[] Lse, double[] DLogits) want = Run(BackEnds.Training("reference"), width, logits, targets, parameters);
        (double[] Losses, double[] RowLosses, double[] Lse, double[] DLogits)? first = null;
        foreach (string name in BackEnds.Simd.Keys)
        {
            (double[] Losses, double[] RowLosses, double[] Lse, double[] DLogits) got = Run(
                BackEnds.Training(name), width, logits, targets, parameters, inPlace: random.Next(2) == 0);
            first ??= got;
            Activations.AssertClose(want.Losses, got.Losses, Math.Pow(2, -19), 1e-5);
            Activations.AssertClose(want.RowLosses, got.RowLosses, Math.Pow(2, -19), 1e-4);
            Activations.AssertClose(want.DLogits, got.DLogits, Math.Pow(2, -17), Math.Pow(2, -18));
            Activations.AssertSame(first.Value.Losses, got.Losses);
            Activations.AssertSame(first.Value.RowLosses, got.RowLosses);
            Activations.AssertSame(first.Value.DLogits, got.DLogits);
        }
    });
}
