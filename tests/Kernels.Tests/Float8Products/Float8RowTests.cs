using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

/// <summary>Rows that are rounded to E4M3 with scales of their own, and products of them.</summary>
public sealed class Float8RowTests
{
    public static IEnumerable<object?[]> Formats() =>
        from name in BackEnds.SimdNames
        from scale in (ScaleKind?[])[null, ScaleKind.Tensor, ScaleKind.Row, ScaleKind.Block]
        select new object?[] { name[0], scale };

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Rows_have_the_codes_and_scales_of_the_definition_to_the_bit(string name) => BackEnds.ForAllShapes(name, 12, 300, (rows, columns, random) =>
    {
        float[] x = random.Random((long)rows * columns, extremes: true);
        // Every binade that a code can come from, and ties.
        for (int i = 0; i < x.Length; i += 3)
            x[i] = MathF.ScaleB(random.Next(-32, 33), random.Next(-12, 6));
        AssertRounds(name, x, rows, columns);
    });

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Rows_without_a_scale_of_their_own_have_that_of_the_definition(string name)
    {
        float[][] rows =
        [
            [0, -0f, 0], [float.NaN, 3, -1e9f], [float.PositiveInfinity, 1.0625f, -480], [1e-45f, -1e-44f, 0], [1e-38f, 3e-39f, -1e-38f],
            [3.4e38f, 1, -3.4e38f], [448, 464, 17], [2.1e-36f, 1e-36f, 0],
        ];
        AssertRounds(name, [.. rows.SelectMany(row => row)], rows.Length, 3);
        // A row that is 448 at most keeps its values where E4M3 has them.
        float[] codes = [.. Enumerable.Range(0, 127).Select(code => new Float8E4M3((byte)code).ToSingle()), -448];
        var (values, inverses) = Float8Case.Round(BackEnds.Get(name), codes, 1, codes.Length);
        Assert.Equal(1, inverses[0]);
        Activations.AssertSame([.. codes.Select(value => (double)value)], values);
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Products_agree_with_the_definition_and_a_row_has_its_bits_in_every_batch(string name, ScaleKind? scale)
    {
        IForwardKernels kernels = BackEnds.Get(name);
        Random random = new(7);
        bool isSmall = name.StartsWith("emulator", StringComparison.Ordinal);
        foreach ((int rows, int outputs, int columns) in isSmall ? [(3, 5, 150)] : new[] { (1, 5, 3), (11, 70, 576), (40, 33, 1000) })
        {
            WeightMatrix[] parts = [WeightFactory.Create(random, DType.F8E4M3, scale, outputs, columns)];
            float[] x = random.Random((long)rows * columns);
            double[] got = Float8Case.Multiply(kernels, parts, x, rows, columns);
            // One chain of products, of which each has the rounding of its weight's scale too.
            Float8Case.AssertProducts(
                Float8Case.Multiply(BackEnds.Reference, parts, x, rows, columns), got, Float8Case.Magnitudes(parts, x, rows, columns),
                (columns + 4) * Math.ScaleB(1, -24));
            int first = rows / 2;
            Activations.AssertSame(
                got[(first * outputs)..], Float8Case.Multiply(kernels, parts, x[(first * columns)..], rows - first, columns));
            foreach (WeightMatrix part in parts)
                part.Dispose();
        }
    }

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Factors_of_rows_are_those_of_their_tokens(string name)
    {
        IForwardKernels kernels = BackEnds.Get(name);
        const int Rows = 7, Columns = 37, Slots = 3;
        float[] values = new Random(1).Random(Rows * Columns), factors = new Random(2).Random(Rows);
        int[] order = [3, 0, 6, 2, 8, 5, 1];
        foreach (bool gathers in new[] { false, true })
        {
            using Tensor y = kernels.Input(new Shape(Rows, Columns), values), own = kernels.Singles(new Shape(Rows), factors);
            using Tensor map = kernels.Integers(new Shape(Rows), order);
            ((IFloat8Kernels)kernels).MultiplyRows(y, gathers ? map : null, Slots, own);
            Activations.AssertSame(
                [.. values.Select((value, i) => (double)(value * factors[gathers ? order[i / Columns] / Slots : i / Columns]))], y.Read());
        }
    }

    private static void AssertRounds(string name, float[] x, int rows, int columns)
    {
        (double[] Values, float[] Inverses) want = Float8Case.Round(BackEnds.Reference, x, rows, columns);
        var (values, inverses) = Float8Case.Round(BackEnds.Get(name), x, rows, columns);
        Assert.Equal(want.Inverses, inverses);
        Activations.AssertSame(want.Values, values);
    }
}
