using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class RmsNormTests
{
    private const double Tolerance = 1.0 / (1 << 20);

    private static double[] Run(IForwardKernels kernels, int rows, int groups, int width, float[] x, float[] weight, float epsilon = 1e-6f)
    {
        using Tensor input = kernels.Input(new Shape(rows, groups * width), x);
        using Tensor w = kernels.Singles(new Shape(width), weight);
        using Tensor y = kernels.Output(new Shape(rows, groups * width));
        kernels.RmsNorm(input, w, epsilon, y);
        return y.Read();
    }

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Agrees_with_the_definition(string name) => BackEnds.ForAllShapes(name, 7, 150, (rows, width, random) =>
    {
        int groups = random.Next(1, 4);
        float[] x = random.Random((long)rows * groups * width, extremes: random.Next(2) == 0), weight = random.Random(width);
        double[] want = Run(BackEnds.Reference, rows, groups, width, x, weight);
        Activations.AssertClose(want, Run(BackEnds.Get(name), rows, groups, width, x, weight), Tolerance, 1e-37);
    });

    [Theory]
    [MemberData(nameof(BackEnds.EqualBits), MemberType = typeof(BackEnds))]
    public void Gives_equal_bits_on_every_back_end_and_for_every_split_of_the_rows(string set) => BackEnds.ForAllShapes(set, 9, 3000, (rows, width, random) =>
    {
        float[] x = random.Random((long)rows * width), weight = random.Random(width);
        double[]? first = null;
        foreach (IForwardKernels kernels in BackEnds.SetOf(set))
        {
            double[] all = Run(kernels, rows, 1, width, x, weight);
            Activations.AssertSame(first ??= all, all);
        }
        IForwardKernels any = BackEnds.SetOf(set).First();
        for (int r = 0; r < rows; r++)
            Activations.AssertSame(first![(r * width)..((r + 1) * width)], Run(any, 1, 1, width, x[(r * width)..((r + 1) * width)], weight));
    });

    [Theory]
    [MemberData(nameof(BackEnds.Names), MemberType = typeof(BackEnds))]
    public void A_NaN_or_an_infinity_stays_in_its_row(string name)
    {
        const int width = 37;
        float[] x = new Random(1).Random(3 * width), weight = new Random(2).Random(width);
        double[] before = Run(BackEnds.Get(name), 3, 1, width, x, weight);
        foreach (float bad in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity })
        {
            x[width + 20] = bad;
            double[] after = Run(BackEnds.Get(name), 3, 1, width, x, weight);
            Assert.True(double.IsNaN(after[width + 20]));
            Activations.AssertSame(before[..width], after[..width]);
            Activations.AssertSame(before[(2 * width)..], after[(2 * width)..]);
        }
    }

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Squares_may_be_larger_than_the_largest_number(string name)
    {
        foreach (float size in new[] { 3e38f, 1e30f, 1e19f })
        {
            float[] x = [.. new Random(3).Random(100).Select(v => v * size / 3)], weight = new Random(4).Random(100);
            Activations.AssertClose(
                Run(BackEnds.Reference, 1, 1, 100, x, weight), Run(BackEnds.Get(name), 1, 1, 100, x, weight), Tolerance, 0);
        }
    }
}
