using Mellum2.Managed.Engine;
using Mellum2.Managed.Tests;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class SwiGluBackwardTests
{
    private static double[] Run(ITrainingKernels kernels, int rows, int width, float[] gateUp, float[] dy)
    {
        using Tensor input = kernels.Input(new Shape(rows, 2 * width), gateUp), gradient = kernels.Input(new Shape(rows, width), dy);
        using Tensor dx = kernels.Output(new Shape(rows, 2 * width));
        kernels.SwiGluBackward(input, gradient, dx);
        return dx.Read();
    }

    private static float[] Beside(float[] left, float[] right, int width) =>
        [.. left.Chunk(width).Zip(right.Chunk(width), (l, r) => l.Concat(r)).SelectMany(row => row)];

    [Theory]
    [MemberData(nameof(BackEnds.TrainingWithGoldens), "swiglu", MemberType = typeof(BackEnds))]
    public void Golden_dgate_and_dup_agree(string backEnd, string name)
    {
        GoldenCase golden = GoldenManifest.Numerics("swiglu")[name];
        int rows = golden["gate"].Shape[0], width = golden["gate"].Shape[1];
        float[] gateUp = Beside(golden["gate"].Singles(), golden["up"].Singles(), width);
        double[][] halves = [.. Run(BackEnds.Training(backEnd), rows, width, gateUp, golden["dy"].Singles()).Chunk(width)];
        golden["dgate"].Check([.. halves.Where((_, i) => i % 2 == 0).SelectMany(row => row)]);
        golden["dup"].Check([.. halves.Where((_, i) => i % 2 == 1).SelectMany(row => row)]);
    }

    [Fact]
    public void Differences_agree_with_the_definition()
    {
        ITrainingKernels kernels = BackEnds.Training("reference");
        Random random = new(3);
        using Tensor x = kernels.Input(new Shape(3, 14), random.Random(42, scale: 3)), dy = kernels.Input(new Shape(3, 7), random.Random(21));
        using Tensor y = kernels.Output(new Shape(3, 7)), dx = kernels.Output(new Shape(3, 14));
        kernels.SwiGluBackward(x, dy, dx);
        FiniteDifferences.Check(x, Loss, dx);

        double Loss()
        {
            kernels.SwiGlu(x, y);
            return FiniteDifferences.Dot(y, dy);
        }
    }

    [Theory]
    [MemberData(nameof(BackEnds.TrainingNames), MemberType = typeof(BackEnds))]
    public void Infinities_and_NaN(string name)
    {
        float inf = float.PositiveInfinity;
        double[] dx = Run(BackEnds.Training(name), 1, 4, [-inf, inf, float.NaN, 1e4f, 1, 2, 1, 3], [1, 1, 1, 1]);
        Assert.Equal([0, 2, double.NaN, 3, 0, double.PositiveInfinity, double.NaN, 1e4], dx);
    }

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Agrees_with_the_definition(string name) => BackEnds.ForAllShapes(7, 150, (rows, width, random) =>
    {
        // |dy · up| stays below 9, times the absolute error of the contract.
        float[] x = Beside(random.Random((long)rows * width, scale: 20, extremes: true), random.Random((long)rows * width), width);
        float[] dy = random.Random((long)rows * width);
        Activations.AssertClose(
            Run(BackEnds.Training("reference"), rows, width, x, dy), Run(BackEnds.Training(name), rows, width, x, dy),
            Math.Pow(2, -20), 9 * Math.Pow(2, -21));
    });

    [Fact]
    public void Gives_equal_bits_on_every_back_end_and_for_every_split_of_the_rows() => BackEnds.ForAllShapes(12, 2000, (rows, width, random) =>
    {
        float[] x = random.Random(2L * rows * width, scale: 5, extremes: true), dy = random.Random((long)rows * width, extremes: true);
        double[]? first = null;
        foreach (string name in BackEnds.Simd.Keys)
        {
            double[] got = Run(BackEnds.Training(name), rows, width, x, dy);
            Activations.AssertSame(first ??= got, got);
        }
        for (int r = 0; r < rows; r++)
            Activations.AssertSame(
                first![(2 * r * width)..(2 * (r + 1) * width)],
                Run(BackEnds.Training(BackEnds.Simd.Keys.First()), 1, width, x[(2 * r * width)..(2 * (r + 1) * width)], dy[(r * width)..((r + 1) * width)]));
    });
}
