using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

/// <summary>What the rounding of rows has in common with that of training.</summary>
public sealed class Float8RecipeTests
{
    [Theory]
    [MemberData(nameof(BackEnds.Names), MemberType = typeof(BackEnds))]
    public void A_row_is_rounded_as_a_tensor_of_its_own_is_in_training(string name)
    {
        const int Rows = 9, Columns = 70;
        ITrainingKernels kernels = BackEnds.Training(name);
        float[] x = new Random(4).Random(Rows * Columns, extremes: true);
        using Tensor input = kernels.Input(new Shape(Rows, Columns), x), want = kernels.Output(new Shape(Rows, Columns));
        using Tensor bounds = Activations.Integers(new Shape(Rows + 1), [.. Enumerable.Range(0, Rows + 1)]);
        using Tensor scales = Activations.Singles(new Shape(Rows), new float[Rows]);
        kernels.RoundToFloat8(input, null, 1, bounds, DType.F8E4M3, want, scales);
        var (values, inverses) = Float8Case.Round(kernels, x, Rows, Columns);
        Activations.AssertSame(want.Read(), values);
        Assert.Equal(scales.Span<float>().ToArray(), inverses);
    }
}
