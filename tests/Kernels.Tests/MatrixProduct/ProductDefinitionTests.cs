using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

/// <summary>Products of every format on every back end against the definition in float64.</summary>
public class ProductDefinitionTests
{
    public static IEnumerable<object?[]> Formats() =>
        from name in BackEnds.SimdNames
        from format in WeightFactory.Formats
        select new object?[] { name[0], ((object?[])format)[0], ((object?[])format)[1] };

    private static double[] Multiply(IForwardKernels kernels, WeightMatrix[] parts, float[] x, int rows, int columns)
    {
        using WeightMatrix w = kernels.Prepare(parts);
        using Tensor input = kernels.Input(new Shape(rows, columns), x), y = kernels.Output(new Shape(rows, w.Rows));
        kernels.MatMul(input, w, y);
        return y.Read();
    }

    /// <summary>The bound of a chain of float32: 4·√K·2⁻²⁴ of the sum of magnitudes, which one wrong term exceeds.</summary>
    private static void AssertProduct(double[] want, double[] got, WeightMatrix[] parts, float[] x, int columns)
    {
        Assert.Equal(want.Length, got.Length);
        float[][] weights = [.. parts.SelectMany(part => Enumerable.Range(0, part.Rows).Select(
            n => Enumerable.Range(0, columns).Select(k => part.At(n, k)).ToArray()))];
        for (int i = 0; i < want.Length; i++)
        {
            int row = i / weights.Length;
            double magnitude = 0;
            for (int k = 0; k < columns; k++)
                magnitude += Math.Abs((double)x[row * columns + k] * weights[i % weights.Length][k]);
            double bound = 4 * Math.Sqrt(columns) * Math.ScaleB(1, -24) * magnitude;
            Assert.True(Math.Abs(want[i] - got[i]) <= bound, $"element {i}: {got[i]:R}, not {want[i]:R} ± {bound:R}");
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Products_of_stacked_matrices_agree(string name, DType format, ScaleKind? scale)
    {
        // No rows, one number, and both sides of a block, of a tile and of a round of lanes; few rows and many.
        List<(int Rows, int Outputs, int Columns)> shapes =
            [(0, 3, 5), (1, 1, 1), (1, 5, 3), (3, 7, 130), (8, 3, 1100), (9, 67, 33), (BackEnds.Limit(name, 200, 66), 5, 70)];
        if (BackEnds.Limit(name, 1, 0) == 1)
            shapes.AddRange([(8, 300, 517), (70, 130, 260)]);
        Random random = new(7);
        foreach ((int rows, int outputs, int columns) in shapes)
        {
            WeightMatrix[] parts =
            [
                WeightFactory.Create(random, format, scale, outputs, columns), WeightFactory.Create(random, format, scale, 2, columns),
            ];
            float[] x = random.Random((long)rows * columns);
            double[] want = Multiply(BackEnds.Reference, parts, x, rows, columns);
            AssertProduct(want, Multiply(BackEnds.Get(name), parts, x, rows, columns), parts, x, columns);
            foreach (WeightMatrix part in parts)
                part.Dispose();
        }
    }

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Scales_of_any_size_are_taken(string name)
    {
        const int Rows = 3, Outputs = 9, Columns = 140;
        Random random = new(5);
        foreach (float size in new[] { 1e-30f, 255.9f, 300f, 1e33f })
        {
            foreach (ScaleKind kind in (ScaleKind[])[ScaleKind.Tensor, ScaleKind.Row, ScaleKind.Block])
            {
                using WeightMatrix w = WeightFactory.Create(random, DType.F8E4M3, kind, Outputs, Columns, size / 1.5f);
                float[] x = random.Random(Rows * Columns);
                AssertProduct(
                    Multiply(BackEnds.Reference, [w], x, Rows, Columns), Multiply(BackEnds.Get(name), [w], x, Rows, Columns), [w], x, Columns);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void A_NaN_or_an_infinity_stays_in_its_row(string name, DType format, ScaleKind? scale)
    {
        const int Outputs = 6, Columns = 131;
        using WeightMatrix plain = WeightFactory.Create(new Random(6), format, scale, Outputs, Columns);
        foreach (int rows in new[] { 3, 10 })
        {
            float[] x = new Random(rows).Random(rows * Columns);
            double[] before = Multiply(BackEnds.Get(name), [plain], x, rows, Columns);
            foreach (float bad in new[] { float.NaN, float.PositiveInfinity })
            {
                x[Columns + 70] = bad;
                double[] after = Multiply(BackEnds.Get(name), [plain], x, rows, Columns);
                Assert.All(after[Outputs..(2 * Outputs)], value => Assert.False(double.IsFinite(value)));
                Activations.AssertSame(before[..Outputs], after[..Outputs]);
                Activations.AssertSame(before[(2 * Outputs)..], after[(2 * Outputs)..]);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Rows_of_experts_are_their_products(string name, DType format, ScaleKind? scale)
    {
        const int Outputs = 5, Slots = 2;
        int columns = scale == ScaleKind.Block ? 150 : 37;
        List<int[]> loads = [[0, 0, 0], [1, 0, 0], [1, 0, 2], [9, 0, 1], [0, BackEnds.Limit(name, 70, 17), 3]];
        if (BackEnds.Limit(name, 1, 0) == 1)
            loads.Add([300, 64, 65]);
        IForwardKernels kernels = BackEnds.Get(name);
        Random random = new(5);
        WeightMatrix[] plain = [.. Enumerable.Range(0, 3).Select(e => WeightFactory.Create(random, format, scale, Outputs, columns, 0.02f + 60 * e))];
        WeightMatrix[] reference = [.. plain.Select(w => BackEnds.Reference.Prepare([w]))];
        WeightMatrix[] experts = [.. plain.Select(w => kernels.Prepare([w]))];
        kernels.Gather(experts);
        foreach (int[] load in loads)
        {
            foreach (bool gather in new[] { true, false })
            {
                int pairs = load.Sum(), tokens = gather ? (pairs + Slots - 1) / Slots : pairs, row = 0;
                int[] order = [.. Enumerable.Range(0, pairs)];
                random.Shuffle(order);
                float[] x = random.Random((long)tokens * columns);
                double[] want = Run(BackEnds.Reference, reference), got = Run(kernels, experts);
                for (int e = 0; e < 3; e++)
                    for (int i = 0; i < load[e]; i++, row++)
                    {
                        int source = (gather ? order[row] / Slots : row) * columns, first = row * Outputs;
                        AssertProduct(
                            want[first..(first + Outputs)], got[first..(first + Outputs)], [plain[e]], x[source..(source + columns)], columns);
                    }

                double[] Run(IForwardKernels any, WeightMatrix[] matrices)
                {
                    using Tensor input = any.Input(new Shape(tokens, columns), x), y = any.Output(new Shape(pairs, Outputs));
                    using Tensor bounds = any.Integers(new Shape(4), [0, load[0], load[0] + load[1], pairs]);
                    using Tensor map = any.Integers(new Shape(pairs), order);
                    any.GroupedMatMul(input, gather ? map : null, gather ? Slots : 1, bounds, matrices, y);
                    return y.Read();
                }
            }
        }
        foreach (WeightMatrix w in plain.Concat(reference).Concat(experts))
            w.Dispose();
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void A_row_has_the_same_bits_in_every_batch(string name, DType format, ScaleKind? scale)
    {
        const int Outputs = 6;
        int rows = BackEnds.Limit(name, 150, 11), columns = BackEnds.Limit(name, 1111, 150);
        using WeightMatrix plain = WeightFactory.Create(new Random(3), format, scale, Outputs, columns);
        float[] x = new Random(4).Random((long)rows * columns);
        double[] all = Multiply(BackEnds.Get(name), [plain], x, rows, columns);
        foreach (int size in new[] { 1, 3, 8 })
        {
            for (int first = 0; first + size <= Math.Min(rows, 16); first += size)
            {
                double[] part = Multiply(BackEnds.Get(name), [plain], x[(first * columns)..((first + size) * columns)], size, columns);
                Activations.AssertSame(all[(first * Outputs)..((first + size) * Outputs)], part);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Embedding_rows_are_exact(string name, DType format, ScaleKind? scale)
    {
        IForwardKernels kernels = BackEnds.Get(name);
        foreach ((int vocabulary, int hidden) in ((int, int)[])[(11, 133), (1, 1), (65, 16)])
        {
            using WeightMatrix plain = WeightFactory.Create(new Random(9), format, scale, vocabulary, hidden);
            using WeightMatrix table = kernels.PrepareEmbedding(plain), panels = kernels.Prepare([plain]);
            foreach (int[] ids in (int[][])[[vocabulary - 1, 0, vocabulary / 3, vocabulary / 3], [0], []])
            {
                foreach (WeightMatrix source in (WeightMatrix[])[table, panels])
                {
                    using Tensor tokens = kernels.Integers(new Shape(ids.Length), ids), y = kernels.Output(new Shape(ids.Length, hidden));
                    kernels.Embed(tokens, source, y);
                    Activations.AssertSame([.. ids.SelectMany(id => Enumerable.Range(0, hidden).Select(c => (double)plain.At(id, c)))], y.Read());
                }
            }
        }
    }
}
