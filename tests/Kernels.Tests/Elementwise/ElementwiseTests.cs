using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class ElementwiseTests
{
    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Add_rounds_every_sum_once(string name) => BackEnds.ForAllShapes(9, 5000, (rows, columns, random) =>
    {
        IForwardKernels kernels = BackEnds.Get(name);
        float[] a = random.Random((long)rows * columns, extremes: true), b = random.Random((long)rows * columns, extremes: true);
        using Tensor left = kernels.Input(new Shape(rows, columns), a), right = kernels.Input(new Shape(rows, columns), b);
        using Tensor y = kernels.Output(new Shape(rows, columns));
        kernels.Add(left, right, y);
        Activations.AssertSame([.. a.Zip(b, (p, q) => (double)(p + q))], y.Read());
    });

    [Theory]
    [MemberData(nameof(BackEnds.Names), MemberType = typeof(BackEnds))]
    public void Rows_are_copied_and_joined(string name) => BackEnds.ForAllShapes(9, 50, (rows, columns, random) =>
    {
        IForwardKernels kernels = BackEnds.Get(name);
        int other = random.Next(1, 40), first = random.Next(rows + 1), count = random.Next(rows - first + 1);
        float[] a = random.Random((long)rows * columns), b = random.Random((long)rows * other);
        using Tensor left = kernels.Input(new Shape(rows, columns), a), right = kernels.Input(new Shape(rows, other), b);
        using Tensor part = kernels.Output(new Shape(count, columns)), both = kernels.Output(new Shape(rows, columns + other));
        kernels.CopyRows(left, first, part);
        kernels.Concatenate(left, right, both);
        Activations.AssertSame([.. a.Skip(first * columns).Take(count * columns).Select(v => (double)v)], part.Read());
        double[] joined = both.Read();
        for (int t = 0; t < rows; t++)
            for (int i = 0; i < columns + other; i++)
                Assert.Equal(i < columns ? a[t * columns + i] : b[t * other + i - columns], joined[t * (columns + other) + i]);
    });
}
