using Mellum2.Managed.Engine;
using Mellum2.Managed.Tests;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class RopeBackwardTests
{
    private static double[] Run(ITrainingKernels kernels, int rows, int columns, int dimension, float[] dy, float[] table)
    {
        using Tensor gradient = kernels.Input(new Shape(rows, columns), dy), angles = kernels.Input(new Shape(rows, dimension), table);
        using Tensor dx = kernels.Output(new Shape(rows, columns));
        kernels.RopeBackward(gradient, angles, dx);
        return dx.Read();
    }

    [Theory]
    [MemberData(nameof(BackEnds.TrainingWithGoldens), "rope", MemberType = typeof(BackEnds))]
    public void Golden_dx_agrees(string backEnd, string name)
    {
        GoldenCase golden = GoldenManifest.Numerics("rope")[name];
        int dimension = golden.Integer("dim"), rows = golden["dy"].Shape[0], columns = golden.Integer("heads") * dimension;
        float[] table = [.. golden["cos"].Singles().Chunk(dimension / 2).Zip(golden["sin"].Singles().Chunk(dimension / 2), (c, s) => c.Concat(s)).SelectMany(row => row)];
        golden["dx"].Check(Run(BackEnds.Training(backEnd), rows, columns, dimension, golden["dy"].Singles(), table));
    }

    [Fact]
    public void Differences_agree_with_the_definition()
    {
        ITrainingKernels kernels = BackEnds.Training("reference");
        Random random = new(2);
        using Tensor x = kernels.Input(new Shape(3, 12), random.Random(36)), dy = kernels.Input(new Shape(3, 12), random.Random(36));
        using Tensor table = kernels.Input(new Shape(3, 6), random.Random(18)), y = kernels.Output(new Shape(3, 12)), dx = kernels.Output(new Shape(3, 12));
        kernels.RopeBackward(dy, table, dx);
        FiniteDifferences.Check(x, Loss, dx);

        double Loss()
        {
            kernels.Rope(x, table, y);
            return FiniteDifferences.Dot(y, dy);
        }
    }

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Agrees_with_the_definition(string name) => BackEnds.ForAllShapes(9, 70, (rows, half, random) =>
    {
        int dimension = 2 * half, columns = dimension * random.Next(1, 5);
        float[] dy = random.Random((long)rows * columns), table = [.. random.Random((long)rows * dimension).Select(MathF.Cos)];
        Activations.AssertClose(
            Run(BackEnds.Training("reference"), rows, columns, dimension, dy, table), Run(BackEnds.Training(name), rows, columns, dimension, dy, table),
            0, 3 * Math.Pow(2, -23));
    });

    [Fact]
    public void Gives_equal_bits_on_every_back_end() => BackEnds.ForAllShapes(30, 70, (rows, half, random) =>
    {
        int dimension = 2 * half, columns = dimension * random.Next(1, 9);
        float[] dy = random.Random((long)rows * columns, extremes: true), table = random.Random((long)rows * dimension);
        double[]? first = null;
        foreach (string name in BackEnds.Simd.Keys)
        {
            double[] got = Run(BackEnds.Training(name), rows, columns, dimension, dy, table);
            Activations.AssertSame(first ??= got, got);
        }
    });
}
