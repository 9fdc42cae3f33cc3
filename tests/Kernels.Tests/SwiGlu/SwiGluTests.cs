using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class SwiGluTests
{
    private static double[] Run(IForwardKernels kernels, int rows, int width, float[] gateUp)
    {
        using Tensor input = kernels.Input(new Shape(rows, 2 * width), gateUp);
        using Tensor y = kernels.Output(new Shape(rows, width));
        kernels.SwiGlu(input, y);
        return y.Read();
    }

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Agrees_with_the_definition(string name) => BackEnds.ForAllShapes(name, 7, 150, (rows, width, random) =>
    {
        // Subnormal gates only beside an ordinary up: silu(gate) is rounded before the product.
        bool extreme = random.Next(2) == 0;
        float[] gate = random.Random((long)rows * width, scale: 20, extremes: extreme), up = random.Random((long)rows * width, extremes: !extreme);
        float[] x = [.. gate.Chunk(width).Zip(up.Chunk(width), (g, u) => g.Concat(u)).SelectMany(row => row)];
        Activations.AssertClose(
            Run(BackEnds.Reference, rows, width, x), Run(BackEnds.Get(name), rows, width, x), Math.Pow(2, -20), 1e-35);
    });

    [Theory]
    [MemberData(nameof(BackEnds.EqualBits), MemberType = typeof(BackEnds))]
    public void Gives_equal_bits_on_every_back_end_and_for_every_split_of_the_rows(string set) => BackEnds.ForAllShapes(set, 20, 3000, (rows, width, random) =>
    {
        float[] x = random.Random(2L * rows * width, scale: 5, extremes: true);
        double[]? first = null;
        foreach (IForwardKernels kernels in BackEnds.SetOf(set))
        {
            double[] all = Run(kernels, rows, width, x);
            Activations.AssertSame(first ??= all, all);
        }
        IForwardKernels any = BackEnds.SetOf(set).First();
        for (int r = 0; r < rows; r++)
            Activations.AssertSame(first![(r * width)..((r + 1) * width)], Run(any, 1, width, x[(2 * r * width)..(2 * (r + 1) * width)]));
    });

    [Theory]
    [MemberData(nameof(BackEnds.Names), MemberType = typeof(BackEnds))]
    public void Infinities_and_NaN(string name)
    {
        float inf = float.PositiveInfinity;
        double[] y = Run(BackEnds.Get(name), 1, 5, [-inf, inf, float.NaN, 1, 0, 2, 2, 2, float.NaN, 3]);
        Assert.Equal(0, y[0]);
        Assert.Equal(double.PositiveInfinity, y[1]);
        Assert.True(double.IsNaN(y[2]) && double.IsNaN(y[3]));
        Assert.Equal(0, y[4]);
    }
}
