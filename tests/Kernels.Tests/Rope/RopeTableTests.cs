using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class RopeTableTests
{
    private static double[] Table(IForwardKernels kernels, int[] positions, RopeParameters parameters)
    {
        using Tensor p = Activations.Integers(new Shape(positions.Length), positions);
        using Tensor table = kernels.Output(new Shape(positions.Length, parameters.Dimension));
        kernels.RopeTable(p, parameters, table);
        return table.Read();
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
