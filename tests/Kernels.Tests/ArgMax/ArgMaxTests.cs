using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class ArgMaxTests
{
    private static int[] Run(IForwardKernels kernels, int rows, int width, float[] logits)
    {
        using Tensor x = kernels.Input(new Shape(rows, width), logits), ids = kernels.Integers(new Shape(rows));
        kernels.ArgMax(x, ids);
        return ids.ReadIntegers();
    }

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Agrees_with_the_definition(string name) => BackEnds.ForAllShapes(name, 4, 3000, (rows, width, random) =>
    {
        // Few different numbers, so that there are ties.
        float[] x = [.. random.Random((long)rows * width, scale: 3).Select(value => random.Next(200) == 0 ? float.NegativeInfinity : MathF.Round(value))];
        Assert.Equal(Run(BackEnds.Reference, rows, width, x), Run(BackEnds.Get(name), rows, width, x));
    });

    [Theory]
    [MemberData(nameof(BackEnds.Names), MemberType = typeof(BackEnds))]
    public void The_first_of_equals_and_no_choice_with_NaN_or_without_anything_possible(string name)
    {
        float inf = float.PositiveInfinity, nan = float.NaN;
        Assert.Equal(
            [1, 2, -1, -1, 0, -1, 1],
            Run(BackEnds.Get(name), 7, 3, [1, 2, 2, 0, -inf, inf, -inf, -inf, -inf, 1, nan, 2, inf, inf, 0, nan, nan, nan, -inf, -3e38f, -inf]));
    }

    [Theory]
    [MemberData(nameof(BackEnds.Names), MemberType = typeof(BackEnds))]
    public void The_first_of_equals_and_a_NaN_are_found_in_long_rows(string name)
    {
        // Longer than a group of threads.
        float[] row = new float[600];
        row[599] = row[300] = row[43] = 1;
        Assert.Equal([43], Run(BackEnds.Get(name), 1, 600, row));
        row[511] = float.NaN;
        Assert.Equal([-1], Run(BackEnds.Get(name), 1, 600, row));
    }

    [Theory]
    [MemberData(nameof(BackEnds.Names), MemberType = typeof(BackEnds))]
    public void Counters_advance(string name)
    {
        IForwardKernels kernels = BackEnds.Get(name);
        // On both sides of a group of threads, and numbers whose sum overflows.
        foreach (int count in new[] { 1, 63, 64, 65, 130 })
        {
            int[] values = [.. Enumerable.Range(-3, count - 1), int.MaxValue];
            using Tensor counters = kernels.Integers(new Shape(count), values);
            kernels.Advance(counters, 1);
            kernels.Advance(counters, -8);
            kernels.Advance(counters, 13);
            Assert.Equal(values.Select(value => unchecked(value + 6)), counters.ReadIntegers());
            _ = counters.Read();
        }
    }
}
