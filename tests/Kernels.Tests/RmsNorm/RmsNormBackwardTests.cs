using Mellum2.Managed.Engine;
using Mellum2.Managed.Tests;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class RmsNormBackwardTests
{
    private static (double[] Dx, double[] Dw) Run(
        ITrainingKernels kernels, Shape shape, float[] x, float[] w, float epsilon, float[] dy, float[]? before = null)
    {
        using Tensor input = kernels.Input(shape, x), gradient = kernels.Input(shape, dy), weight = Activations.Singles(new Shape(w.Length), w);
        using Tensor dx = kernels.Output(shape), dw = kernels.Input(new Shape(w.Length), before ?? new float[w.Length]);
        kernels.RmsNormBackward(input, weight, epsilon, gradient, dx, dw);
        return (dx.Read(), dw.Read());
    }

    [Theory]
    [MemberData(nameof(BackEnds.TrainingWithGoldens), "norms", MemberType = typeof(BackEnds))]
    public void Golden_dx_and_dw_agree(string backEnd, string name)
    {
        GoldenCase golden = GoldenManifest.Numerics("norms")[name];
        (double[] dx, double[] dw) = Run(
            BackEnds.Training(backEnd), Shape.Of(golden["x"].Shape), golden["x"].Singles(), golden["w"].Singles(), (float)golden.Number("eps"),
            golden["dy"].Singles());
        golden["dx"].Check(dx);
        golden["dw"].Check(dw);
    }

    [Fact]
    public void Differences_agree_with_the_definition()
    {
        ITrainingKernels kernels = BackEnds.Training("reference");
        Random random = new(1);
        Shape shape = new(4, 10);
        using Tensor x = kernels.Input(shape, random.Random(40)), dy = kernels.Input(shape, random.Random(40));
        using Tensor w = Activations.Singles(new Shape(5), random.Random(5)), y = kernels.Output(shape), dx = kernels.Output(shape);
        using Tensor dw = kernels.Zeros(new Shape(5));
        kernels.RmsNormBackward(x, w, 1e-3f, dy, dx, dw);
        FiniteDifferences.Check(x, Loss, dx);
        FiniteDifferences.Check(w, Loss, dw);

        double Loss()
        {
            kernels.RmsNorm(x, w, 1e-3f, y);
            return FiniteDifferences.Dot(y, dy);
        }
    }

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Agrees_with_the_definition(string name) => BackEnds.ForAllShapes(600, 60, (groups, width, random) =>
    {
        Shape shape = new(groups, width);
        float[] x = random.Random((long)groups * width), w = random.Random(width), dy = random.Random((long)groups * width), before = random.Random(width);
        (double[] dx, double[] dw) want = Run(BackEnds.Training("reference"), shape, x, w, 0.01f, dy, before);
        (double[] dx, double[] dw) got = Run(BackEnds.Training(name), shape, x, w, 0.01f, dy, before);
        Activations.AssertClose(want.dx, got.dx, 0, Math.Pow(2, -18) * 10 * 2.25);
        Activations.AssertClose(want.dw, got.dw, 0, Math.Pow(2, -22) * 3 * (groups + 1));
    });

    [Fact]
    public void Gives_equal_bits_on_every_back_end() => BackEnds.ForAllShapes(700, 90, (groups, width, random) =>
    {
        Shape shape = new(groups, width);
        float[] x = random.Random((long)groups * width, extremes: true), w = random.Random(width), dy = random.Random((long)groups * width);
        (double[] Dx, double[] Dw)? first = null;
        foreach (string name in BackEnds.Simd.Keys)
        {
            (double[] Dx, double[] Dw) got = Run(BackEnds.Training(name), shape, x, w, 1e-6f, dy, w);
            first ??= got;
            Activations.AssertSame(first.Value.Dx, got.Dx);
            Activations.AssertSame(first.Value.Dw, got.Dw);
        }
    });

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Squares_that_overflow_are_no_harm(string name)
    {
        float[] x = [3e38f, -1e38f, 2e30f], w = [1, 2, 3], dy = [1, -1, 2];
        (double[] dx, double[] dw) want = Run(BackEnds.Training("reference"), new Shape(1, 3), x, w, 1e-6f, dy);
        (double[] dx, double[] dw) got = Run(BackEnds.Training(name), new Shape(1, 3), x, w, 1e-6f, dy);
        Activations.AssertClose(want.dw, got.dw, 1e-6, 0);
        Assert.All(got.dx, d => Assert.InRange(d, -1e-37, 1e-37));
    }
}
