using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class RopeTests
{
    private static double[] Rotate(IForwardKernels kernels, int rows, int heads, int dimension, float[] x, float[] table)
    {
        using Tensor input = kernels.Input(new Shape(rows, heads * dimension), x);
        using Tensor t = kernels.Input(new Shape(rows, dimension), table);
        using Tensor y = kernels.Output(new Shape(rows, heads * dimension));
        kernels.Rope(input, t, y);
        return y.Read();
    }

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Agrees_with_the_definition(string name) => BackEnds.ForAllShapes(name, 9, 70, (rows, half, random) =>
    {
        int heads = random.Next(1, 5), dimension = 2 * half;
        float[] x = random.Random((long)rows * heads * dimension);
        float[] table = [.. random.Random((long)rows * dimension).Select(MathF.Cos)];
        double[] want = Rotate(BackEnds.Reference, rows, heads, dimension, x, table);
        double[] got = Rotate(BackEnds.Get(name), rows, heads, dimension, x, table);
        // Numbers up to 3: two products and their sum round by up to 2⁻²³, 2⁻²³ and 2⁻²².
        Activations.AssertClose(want, got, 0, 4 * Math.Pow(2, -23));
    });

    [Theory]
    [MemberData(nameof(BackEnds.EqualBits), MemberType = typeof(BackEnds))]
    public void Gives_equal_bits_on_every_back_end_and_for_every_split_of_the_rows(string set) => BackEnds.ForAllShapes(set, 30, 70, (rows, half, random) =>
    {
        int heads = random.Next(1, 9), dimension = 2 * half, columns = heads * dimension;
        float[] x = random.Random((long)rows * columns, extremes: true), table = random.Random((long)rows * dimension);
        double[]? first = null;
        foreach (IForwardKernels kernels in BackEnds.SetOf(set))
        {
            double[] all = Rotate(kernels, rows, heads, dimension, x, table);
            Activations.AssertSame(first ??= all, all);
        }
        IForwardKernels any = BackEnds.SetOf(set).First();
        for (int r = 0; r < rows; r++)
            Activations.AssertSame(
                first![(r * columns)..((r + 1) * columns)],
                Rotate(any, 1, heads, dimension, x[(r * columns)..((r + 1) * columns)], table[(r * dimension)..((r + 1) * dimension)]));
    });

    [Theory]
    [MemberData(nameof(BackEnds.Names), MemberType = typeof(BackEnds))]
    public void A_NaN_or_an_infinity_stays_in_its_pair(string name)
    {
        const int rows = 3, heads = 2, dimension = 10;
        float[] x = new Random(1).Random(rows * heads * dimension), table = new Random(2).Random(rows * dimension);
        double[] before = Rotate(BackEnds.Get(name), rows, heads, dimension, x, table);
        foreach (float bad in new[] { float.NaN, float.PositiveInfinity })
        {
            // Row 1, head 1, the second half of pair 3.
            x[(1 * heads + 1) * dimension + 8] = bad;
            double[] after = Rotate(BackEnds.Get(name), rows, heads, dimension, x, table);
            for (int i = 0; i < before.Length; i++)
            {
                if (i is 33 or 38)
                    Assert.False(double.IsFinite(after[i]));
                else
                    Assert.Equal(before[i], after[i]);
            }
        }
    }
}
