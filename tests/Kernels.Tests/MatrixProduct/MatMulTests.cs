using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public sealed unsafe class MatMulTests : IDisposable
{
    private readonly WorkerPool _pool = new(2);

    public void Dispose() => _pool.Dispose();

    public static TheoryData<DType, ScaleKind?> Formats => WeightFactory.Formats;

    [Theory]
    [MemberData(nameof(Formats))]
    public void Every_width_and_number_of_rows_is_the_chain_of_fused_multiply_adds(DType format, ScaleKind? scale)
    {
        int[] rowCounts = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 28, 33];
        (int N, int K)[] shapes = [(1, 1), (1, 130), (77, 3), (33, 257), (64, 128), (145, 389)];
        Random random = new(1);
        foreach ((int n, int k) in shapes)
        {
            using WeightMatrix plain = WeightFactory.Create(random, format, scale, n, k);
            using Tensor x = WeightFactory.Activations(random, rowCounts[^1], k);
            float[] expected = Chains(x, plain);
            foreach (ProductKernels kernels in ProductKernels.All(_pool))
            {
                using WeightMatrix w = kernels.Prepare([plain]);
                foreach (int rows in rowCounts)
                {
                    using Tensor part = Slice(x, 0, rows);
                    using Tensor y = Tensor.Allocate(DType.F32, new Shape(rows, n));
                    kernels.MatMul(part, w, y);
                    AssertBits(expected.AsSpan(0, rows * n), y, $"{kernels.Name}, M {rows}, N {n}, K {k}");
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Threads_and_the_other_rows_of_a_call_change_no_bit(DType format, ScaleKind? scale)
    {
        // Large enough for several segments, chunks of columns and items.
        const int Rows = 300, N = 208, K = 901;
        Random random = new(3);
        using WorkerPool single = new(1);
        using WeightMatrix plain = WeightFactory.Create(random, format, scale, N, K);
        using Tensor x = WeightFactory.Activations(random, Rows, K);
        using Tensor all = Tensor.Allocate(DType.F32, new Shape(Rows, N));
        ProductKernels two = ProductKernels.Widest(_pool), one = ProductKernels.Widest(single);
        using WeightMatrix w = two.Prepare([plain]);
        one.MatMul(x, w, all);
        using Tensor y = Tensor.Allocate(DType.F32, new Shape(Rows, N));
        two.MatMul(x, w, y);
        AssertBits(all.Span<float>(), y, "two threads");
        for (int begin = 0; begin < Rows;)
        {
            int count = Math.Min(random.Next(1, 40), Rows - begin);
            using Tensor part = Slice(x, begin, count), result = Tensor.Allocate(DType.F32, new Shape(count, N));
            two.MatMul(part, w, result);
            AssertBits(all.Span<float>().Slice(begin * N, count * N), result, $"rows from {begin}");
            begin += count;
        }
    }

    [Property(MaxTest = 60)]
    public void Any_shape_is_the_chain(PositiveInt rows, PositiveInt n, PositiveInt k, NonNegativeInt format, int seed)
    {
        int m = rows.Get % 40 + 1, outputs = n.Get * 7 % 200 + 1, inputs = k.Get * 13 % 900 + 1;
        object[][] formats = [.. Formats.Select(f => f.ToArray())];
        object[] chosen = formats[format.Get % formats.Length];
        Random random = new(seed);
        using WeightMatrix plain = WeightFactory.Create(random, (DType)chosen[0], (ScaleKind?)chosen[1], outputs, inputs);
        using Tensor x = WeightFactory.Activations(random, m, inputs), y = Tensor.Allocate(DType.F32, new Shape(m, outputs));
        ProductKernels kernels = ProductKernels.Widest(_pool);
        using WeightMatrix w = kernels.Prepare([plain]);
        kernels.MatMul(x, w, y);
        AssertBits(Chains(x, plain), y, $"M {m}, N {outputs}, K {inputs}");
    }

    [Theory]
    [InlineData(DType.BF16)]
    [InlineData(DType.F8E4M3)]
    public void Rows_longer_than_a_cache_are_the_chain(DType format)
    {
        Random random = new(9);
        const int N = 17, K = 17000;
        using WeightMatrix plain = WeightFactory.Create(random, format, null, N, K);
        foreach (int rows in (int[])[1, 6, 20])
        {
            using Tensor x = WeightFactory.Activations(random, rows, K), y = Tensor.Allocate(DType.F32, new Shape(rows, N));
            foreach (ProductKernels kernels in ProductKernels.All(_pool))
            {
                using WeightMatrix w = kernels.Prepare([plain]);
                kernels.MatMul(x, w, y);
                AssertBits(Chains(x, plain), y, kernels.Name);
            }
        }
    }

    [Fact]
    public void Row_major_float32_weights_need_no_preparation()
    {
        Random random = new(4);
        using WeightMatrix plain = WeightFactory.Create(random, DType.F32, null, 75, 800);
        foreach (int rows in (int[])[1, 5, 40])
        {
            using Tensor x = WeightFactory.Activations(random, rows, 800), y = Tensor.Allocate(DType.F32, new Shape(rows, 75));
            foreach (ProductKernels kernels in ProductKernels.All(_pool))
            {
                y.Span<float>().Fill(float.NaN);
                kernels.MatMul(x, plain, y);
                AssertBits(Chains(x, plain), y, kernels.Name);
            }
        }
    }

    [Theory]
    [InlineData(1e-38f)]
    [InlineData(1e-45f)]
    [InlineData(255.9f)]
    [InlineData(300f)]
    [InlineData(1e35f)]
    public void Scales_of_any_size_round_once(float size)
    {
        Random random = new(5);
        foreach (ScaleKind kind in (ScaleKind[])[ScaleKind.Tensor, ScaleKind.Row, ScaleKind.Block])
        {
            using WeightMatrix plain = WeightFactory.Create(random, DType.F8E4M3, kind, 70, 140, size / 1.5f);
            foreach (int rows in (int[])[1, 3, 12])
            {
                using Tensor x = WeightFactory.Activations(random, rows, 140), y = Tensor.Allocate(DType.F32, new Shape(rows, 70));
                foreach (ProductKernels kernels in ProductKernels.All(_pool))
                {
                    using WeightMatrix w = kernels.Prepare([plain]);
                    kernels.MatMul(x, w, y);
                    AssertBits(Chains(x, plain), y, $"{kernels.Name}, {kind}, {rows} rows");
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void NaN_stays_in_its_row(DType format, ScaleKind? scale)
    {
        Random random = new(6);
        using WeightMatrix plain = WeightFactory.Create(random, format, scale, 50, 131);
        foreach (int rows in (int[])[2, 4, 7, 15])
        {
            using Tensor x = WeightFactory.Activations(random, rows, 131), y = Tensor.Allocate(DType.F32, new Shape(rows, 50));
            x.Span<float>().Slice(131, 131).Fill(float.NaN);
            foreach (ProductKernels kernels in ProductKernels.All(_pool))
            {
                using WeightMatrix w = kernels.Prepare([plain]);
                kernels.MatMul(x, w, y);
                for (int i = 0; i < y.Count; i++)
                    Assert.Equal(i / 50 == 1, float.IsNaN(y.Pointer<float>()[i]));
            }
        }
    }

    [Fact]
    public void What_does_not_fit_together_is_refused()
    {
        Random random = new(8);
        ProductKernels kernels = ProductKernels.Widest(_pool);
        using WeightMatrix plain = WeightFactory.Create(random, DType.BF16, null, 6, 5), w = kernels.Prepare([plain]);
        using Tensor x = WeightFactory.Activations(random, 2, 5), narrow = WeightFactory.Activations(random, 2, 4);
        using Tensor y = Tensor.Allocate(DType.F32, new Shape(2, 6)), wide = Tensor.Allocate(DType.F64, new Shape(2, 6));
        Assert.Throws<ArgumentException>(() => kernels.MatMul(narrow, w, y));
        Assert.Throws<ArgumentException>(() => kernels.MatMul(x, plain, y));
        Assert.Throws<ArgumentException>(() => kernels.MatMul(x, w, wide));
        Assert.Throws<ArgumentException>(() => kernels.MatMul(x, w, narrow));
    }

    private static float[] Chains(Tensor x, WeightMatrix plain)
    {
        float[] result = new float[x.Rows * plain.Rows];
        float[] weights = new float[plain.Columns];
        for (int n = 0; n < plain.Rows; n++)
        {
            for (int k = 0; k < plain.Columns; k++)
                weights[k] = plain.At(n, k);
            for (int t = 0; t < x.Rows; t++)
                result[t * plain.Rows + n] = WeightFactory.Chain(x.Pointer<float>() + (long)t * plain.Columns, k => weights[k], plain.Columns);
        }
        return result;
    }

    private static Tensor Slice(Tensor x, int begin, int rows) =>
        Tensor.From<float>(DType.F32, new Shape(rows, x.Columns), x.Span<float>().Slice(begin * x.Columns, rows * x.Columns));

    private static void AssertBits(ReadOnlySpan<float> expected, Tensor y, string what)
    {
        Span<float> actual = y.Span<float>();
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < actual.Length; i++)
        {
            if (BitConverter.SingleToInt32Bits(expected[i]) != BitConverter.SingleToInt32Bits(actual[i]))
                Assert.Fail($"{what}: element {i} is {actual[i]:R}, not {expected[i]:R}.");
        }
    }
}
