using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class AttentionTests
{
    private static AttentionCase Create(string name, Random random, int total, int dimension)
    {
        int kvHeads = random.Next(1, 4), group = random.Next(1, BackEnds.Limit(name, 10, 3));
        int window = random.Next(3) == 0 ? 0 : random.Next(1, total + 10);
        float[] k = random.Random((long)total * kvHeads * dimension, scale: 2), v = random.Random((long)total * kvHeads * dimension);
        return new AttentionCase(kvHeads * group, kvHeads, dimension, window, random.Next(2) == 0, k, v);
    }

    private static int[] Split(Random random, int rows)
    {
        List<int> steps = [];
        for (int left = rows; left > 0; left -= steps[^1])
            steps.Add(random.Next(1, left + 1));
        return [.. steps];
    }

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Agrees_with_the_definition(string name) => BackEnds.ForAllShapes(name, 70, 70, (rows, dimension, random) =>
    {
        int cached = random.Next(150);
        AttentionCase sequence = Create(name, random, cached + rows, dimension);
        float[] q = random.Random((long)rows * sequence.Heads * dimension);
        var want = sequence.Run(BackEnds.Reference, q, cached, [rows]);
        var got = sequence.Run(BackEnds.Get(name), q, cached, [rows]);
        // Scores reach 18 and values 3, so a rounding of a score moves an output by up to 2e-6; of ten thousand shapes the worst
        // came to 4e-6.
        Activations.AssertClose(want.Output, got.Output, 0, 1e-5);
        Activations.AssertClose(want.LogSumExp, got.LogSumExp, 2e-6, 2e-6);
    });

    [Theory]
    [MemberData(nameof(BackEnds.EqualBits), MemberType = typeof(BackEnds))]
    public void Gives_equal_bits_on_every_back_end(string set) => BackEnds.ForAllShapes(set, 40, 140, (rows, dimension, random) =>
    {
        int cached = random.Next(150);
        AttentionCase sequence = Create(set, random, cached + rows, dimension);
        float[] q = random.Random((long)rows * sequence.Heads * dimension);
        (double[] Output, double[] LogSumExp)? first = null;
        foreach (IForwardKernels kernels in BackEnds.SetOf(set))
        {
            var got = sequence.Run(kernels, q, cached, [rows]);
            first ??= got;
            Activations.AssertSame(first.Value.Output, got.Output);
            Activations.AssertSame(first.Value.LogSumExp, got.LogSumExp);
        }
    });

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Prefill_in_parts_decoding_and_verifying_give_equal_bits(string name) => BackEnds.ForAllShapes(name, 40, 40, (rows, dimension, random) =>
    {
        IForwardKernels kernels = BackEnds.Get(name);
        int cached = random.Next(150);
        AttentionCase sequence = Create(name, random, cached + rows, dimension);
        float[] q = random.Random((long)rows * sequence.Heads * dimension);
        var want = sequence.Run(kernels, q, cached, [rows]);
        var parts = sequence.Run(kernels, q, cached, Split(random, rows));
        var one = sequence.Run(kernels, q, cached, Enumerable.Repeat(1, rows));
        Activations.AssertSame(want.Output, parts.Output);
        Activations.AssertSame(want.LogSumExp, parts.LogSumExp);
        Activations.AssertSame(want.Output, one.Output);
        Activations.AssertSame(want.LogSumExp, one.LogSumExp);
    });

    [Theory]
    [MemberData(nameof(BackEnds.Names), MemberType = typeof(BackEnds))]
    public void A_ring_gives_the_bits_of_a_cache_that_holds_everything(string name) => BackEnds.ForAllShapes(name, 60, 40, (rows, dimension, random) =>
    {
        IForwardKernels kernels = BackEnds.Get(name);
        int cached = random.Next(500), window = random.Next(1, 130);
        AttentionCase sequence = Create(name, random, cached + rows, dimension) with { Window = window };
        float[] q = random.Random((long)rows * sequence.Heads * dimension);
        int[] steps = Split(random, rows);
        int ring = Math.Max(window - 1 + steps.DefaultIfEmpty(1).Max(), KvLayer.TileSlots);
        var want = sequence.Run(kernels, q, cached, [rows]);
        var got = sequence.Run(kernels, q, cached, steps, ring);
        Activations.AssertSame(want.Output, got.Output);
        Activations.AssertSame(want.LogSumExp, got.LogSumExp);
    });

    [Theory]
    [MemberData(nameof(BackEnds.Names), MemberType = typeof(BackEnds))]
    public void What_unseen_slots_hold_does_not_matter(string name) => BackEnds.ForAllShapes(name, 20, 40, (rows, dimension, random) =>
    {
        IForwardKernels kernels = BackEnds.Get(name);
        int cached = random.Next(100);
        AttentionCase sequence = Create(name, random, cached + rows, dimension);
        float[] q = random.Random((long)rows * sequence.Heads * dimension);
        var want = sequence.Run(kernels, q, cached, [rows], spoil: 0);
        foreach (double spoil in new[] { double.NaN, double.PositiveInfinity, 3e38 })
            Activations.AssertSame(want.Output, sequence.Run(kernels, q, cached, [rows], spoil: spoil).Output);
        Assert.All(want.Output, value => Assert.True(double.IsFinite(value)));
    });

    [Theory]
    [MemberData(nameof(BackEnds.Names), MemberType = typeof(BackEnds))]
    public void A_NaN_query_spoils_its_own_row_and_head_alone(string name)
    {
        IForwardKernels kernels = BackEnds.Get(name);
        Random random = new(11);
        int rows = BackEnds.Limit(name, 30, 10), bad = rows / 2 + 2;
        AttentionCase sequence = Create(name, random, rows, 24) with { Heads = 4, KvHeads = 1, Window = 0 };
        float[] q = random.Random(rows * 4 * 24);
        var before = sequence.Run(kernels, q, 0, [rows]);
        q[(bad * 4 + 2) * 24 + 5] = float.NaN;
        var after = sequence.Run(kernels, q, 0, [rows]);
        for (int i = 0; i < before.Output.Length; i++)
        {
            if (i / 24 == bad * 4 + 2)
                Assert.True(double.IsNaN(after.Output[i]));
            else
                Assert.Equal(before.Output[i], after.Output[i]);
        }
    }

    [Theory]
    [MemberData(nameof(BackEnds.Names), MemberType = typeof(BackEnds))]
    public void A_NaN_key_or_value_reaches_only_the_rows_that_see_its_position(string name)
    {
        // Rows of one call and of one tile: some see the position, their neighbours do not.
        IForwardKernels kernels = BackEnds.Get(name);
        foreach ((int heads, int window) in new[] { (1, 0), (1, 7), (2, 5), (3, 20), (8, 9) })
        {
            const int dimension = 20;
            int rows = BackEnds.Limit(name, 50, 12), bad = BackEnds.Limit(name, 23, 4);
            Random random = new(heads);
            AttentionCase sequence = Create(name, random, rows, dimension) with { Heads = heads, KvHeads = 1, Window = window };
            float[] q = random.Random(rows * heads * dimension);
            double[] before = sequence.Run(kernels, q, 0, [rows]).Output;
            foreach (float[] spoiled in new[] { sequence.K, sequence.V })
            {
                float old = spoiled[bad * dimension + 3];
                spoiled[bad * dimension + 3] = float.NaN;
                double[] after = sequence.Run(kernels, q, 0, [rows]).Output;
                spoiled[bad * dimension + 3] = old;
                for (int row = 0; row < rows; row++)
                {
                    bool sees = row >= bad && (window == 0 || row - bad < window);
                    double[] part = after[(row * heads * dimension)..((row + 1) * heads * dimension)];
                    if (sees)
                        Assert.Contains(part, double.IsNaN);
                    else
                        Activations.AssertSame(before[(row * heads * dimension)..((row + 1) * heads * dimension)], part);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Very_large_scores_do_not_overflow(string name)
    {
        Random random = new(12);
        int rows = BackEnds.Limit(name, 200, 12);
        AttentionCase sequence = Create(name, random, rows, 32) with { Heads = 3, KvHeads = 1, Window = 0, Scale = 300 };
        float[] q = random.Random(rows * 3 * 32);
        var want = sequence.Run(BackEnds.Reference, q, 0, [rows]);
        var got = sequence.Run(BackEnds.Get(name), q, 0, [rows]);
        // The scores reach 10⁴, so that float32 has them to 10⁻³ only; the result stays a mean of the values.
        Assert.All(got.Output, value => Assert.InRange(value, -3.0, 3.0));
        Activations.AssertClose(want.LogSumExp, got.LogSumExp, 1e-5, 0);
    }

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Rows_of_other_sequences_in_the_batch_are_left_alone(string name)
    {
        Random random = new(13);
        IForwardKernels kernels = BackEnds.Get(name);
        using KvLayer cache = new(1, 8, DType.F32, 64, kernels.Device.Allocate);
        using Tensor k = kernels.Input(new Shape(5, 8), random.Random(40)), v = kernels.Input(new Shape(5, 8), random.Random(40));
        using Tensor q = kernels.Input(new Shape(5, 16), random.Random(80)), y = kernels.Output(new Shape(5, 16));
        SequenceRows rows = new(2, 2, 0);
        kernels.AppendKeyValues(k, v, rows, cache);
        kernels.Attention(q, rows, cache, new AttentionParameters(2, 0, 0.3f), y);
        double[] values = y.Read();
        for (int i = 0; i < values.Length; i++)
            Assert.Equal(i / 16 is not (2 or 3), double.IsNaN(values[i]));
    }

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Caches_hold_what_the_definition_writes(string name) => BackEnds.ForAllShapes(name, 90, 40, (rows, dimension, random) =>
    {
        const int heads = 2;
        int position = random.Next(200);
        float[] k = random.Random((long)rows * heads * dimension, extremes: true), v = random.Random((long)rows * heads * dimension, extremes: true);
        foreach (DType format in new[] { DType.F32, DType.BF16 })
        {
            using KvLayer want = new(heads, dimension, format, 128), got = new(heads, dimension, format, 128, BackEnds.Get(name).Device.Allocate);
            foreach ((IForwardKernels kernels, KvLayer cache) in new[] { (BackEnds.Reference, want), (BackEnds.Get(name), got) })
            {
                AttentionCase.Fill(cache, 0, cache.Slots, 7);
                using Tensor kx = kernels.Input(new Shape(rows, heads * dimension), k), vx = kernels.Input(new Shape(rows, heads * dimension), v);
                kernels.AppendKeyValues(kx, vx, new SequenceRows(0, rows, position), cache);
            }
            Assert.True(want.Keys.ToBytes().AsSpan().SequenceEqual(got.Keys.ToBytes()), $"keys in {format}");
            Assert.True(want.Values.ToBytes().AsSpan().SequenceEqual(got.Values.ToBytes()), $"values in {format}");
        }
    });

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void A_cache_in_float64_is_refused_by_the_float32_kernels(string name)
    {
        IForwardKernels kernels = BackEnds.Get(name);
        using KvLayer cache = new(1, 8, DType.F64, 64, kernels.Device.Allocate);
        using Tensor k = kernels.Input(new Shape(1, 8), new float[8]);
        Assert.Throws<ArgumentException>(() => kernels.AppendKeyValues(k, k, new SequenceRows(0, 1, 0), cache));
    }
}
