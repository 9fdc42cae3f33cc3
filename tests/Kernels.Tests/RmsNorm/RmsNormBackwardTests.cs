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
}
