using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class RopeTests
{
    private static double[] Table(IForwardKernels kernels, int[] positions, RopeParameters parameters)
    {
        using Tensor p = Activations.Integers(new Shape(positions.Length), positions);
        using Tensor table = kernels.Output(new Shape(positions.Length, parameters.Dimension));
        kernels.RopeTable(p, parameters, table);
        return table.Read();
    }

    private static double[] Rotate(IForwardKernels kernels, int rows, int heads, int dimension, float[] x, float[] table)
    {
        using Tensor input = kernels.Input(new Shape(rows, heads * dimension), x);
        using Tensor t = kernels.Input(new Shape(rows, dimension), table);
        using Tensor y = kernels.Output(new Shape(rows, heads * dimension));
        kernels.Rope(input, t, y);
        return y.Read();
    }

    [Fact]
    public void The_table_is_the_float64_table_rounded_once() => BackEnds.ForAllShapes(40, 70, (rows, half, random) =>
    {
        RopeParameters parameters = random.Next(2) == 0
            ? RopeParameters.Plain(2 * half, 10000)
            : RopeParameters.Yarn(2 * half, 500000, 16, 8192, 32, 1, null);
        int[] positions = [.. Enumerable.Range(0, rows).Select(_ => random.Next(131072))];
        double[] want = [.. Table(BackEnds.Reference, positions, parameters).Select(v => (double)(float)v)];
        foreach (IForwardKernels kernels in BackEnds.Simd.Values)
            Activations.AssertSame(want, Table(kernels, positions, parameters));
    });

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Agrees_with_the_definition(string name) => BackEnds.ForAllShapes(9, 70, (rows, half, random) =>
    {
        int heads = random.Next(1, 5), dimension = 2 * half;
        float[] x = random.Random((long)rows * heads * dimension);
        float[] table = [.. random.Random((long)rows * dimension).Select(MathF.Cos)];
        double[] want = Rotate(BackEnds.Reference, rows, heads, dimension, x, table);
        double[] got = Rotate(BackEnds.Get(name), rows, heads, dimension, x, table);
        Activations.AssertClose(want, got, 0, 3 * Math.Pow(2, -23));
    });

    [Fact]
    public void Gives_equal_bits_on_every_back_end_and_for_every_split_of_the_rows() => BackEnds.ForAllShapes(30, 70, (rows, half, random) =>
    {
        int heads = random.Next(1, 9), dimension = 2 * half, columns = heads * dimension;
        float[] x = random.Random((long)rows * columns, extremes: true), table = random.Random((long)rows * dimension);
        double[]? first = null;
        foreach (IForwardKernels kernels in BackEnds.Simd.Values)
        {
            double[] all = Rotate(kernels, rows, heads, dimension, x, table);
            Activations.AssertSame(first ??= all, all);
        }
        IForwardKernels any = BackEnds.Simd.Values.First();
        for (int r = 0; r < rows; r++)
            Activations.AssertSame(
                first![(r * columns)..((r + 1) * columns)],
                Rotate(any, 1, heads, dimension, x[(r * columns)..((r + 1) * columns)], table[(r * dimension)..((r + 1) * dimension)]));
    });

    [Fact]
    public void YaRN_keeps_fast_frequencies_and_interpolates_slow_ones()
    {
        RopeParameters plain = RopeParameters.Plain(128, 500000), yarn = RopeParameters.Yarn(128, 500000, 16, 8192, 32, 1, null);
        Assert.Equal(plain.InverseFrequencies[0], yarn.InverseFrequencies[0]);
        Assert.Equal(plain.InverseFrequencies[63] / 16, yarn.InverseFrequencies[63], 15);
        Assert.Equal(0.1 * Math.Log(16) + 1, yarn.AttentionFactor, 15);
        Assert.Equal(1, plain.AttentionFactor);
    }
}
