using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class LogSumExpTests
{
    private static double[] Run(IForwardKernels kernels, int rows, int width, float[] logits)
    {
        using Tensor x = kernels.Input(new Shape(rows, width), logits);
        using Tensor lse = kernels.Output(new Shape(rows));
        kernels.LogSumExp(x, lse);
        return lse.Read();
    }

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Agrees_with_the_definition(string name) => BackEnds.ForAllShapes(name, 4, 9000, (rows, width, random) =>
    {
        float[] x = random.Random((long)rows * width, scale: Math.Pow(10, random.Next(-2, 3)), extremes: random.Next(4) == 0);
        double[] want = Run(BackEnds.Reference, rows, width, x);
        Activations.AssertClose(want, Run(BackEnds.Get(name), rows, width, x), Math.Pow(2, -20), Math.Pow(2, -20));
    });

    [Theory]
    [MemberData(nameof(BackEnds.EqualBits), MemberType = typeof(BackEnds))]
    public void Gives_equal_bits_on_every_back_end_and_for_every_split_of_the_rows(string set) => BackEnds.ForAllShapes(set, 4, 30000, (rows, width, random) =>
    {
        float[] x = random.Random((long)rows * width, scale: 10);
        double[]? first = null;
        foreach (IForwardKernels kernels in BackEnds.SetOf(set))
        {
            double[] all = Run(kernels, rows, width, x);
            Activations.AssertSame(first ??= all, all);
        }
        for (int r = 0; r < rows; r++)
            Activations.AssertSame([first![r]], Run(BackEnds.SetOf(set).First(), 1, width, x[(r * width)..((r + 1) * width)]));
    });

    [Theory]
    [MemberData(nameof(BackEnds.Names), MemberType = typeof(BackEnds))]
    public void Infinities_and_NaN(string name)
    {
        IForwardKernels kernels = BackEnds.Get(name);
        float inf = float.PositiveInfinity, nan = float.NaN;
        float[][] rows = [[-inf, -inf, -inf], [1000, inf, -2000], [-inf, 3, -inf], [nan, 1, 2], [1, nan, inf], [-inf, nan, -inf], [nan, nan, nan], [3e38f, -3e38f, 0]];
        double[] want = [double.NegativeInfinity, double.PositiveInfinity, 3, double.NaN, double.NaN, double.NaN, double.NaN, 3e38f];
        Activations.AssertSame(want, Run(kernels, rows.Length, 3, [.. rows.SelectMany(row => row)]));
        // The same in a block of its own behind thousands of ordinary numbers.
        float[] ordinary = new Random(5).Random(8192);
        foreach (int width in new[] { 4096, 8192 })
            for (int r = 0; r < rows.Length; r++)
                if (r != 0 && r != 2)
                    Activations.AssertSame([want[r]], Run(kernels, 1, width + 3, [.. ordinary[..width], .. rows[r]]));
    }
}
