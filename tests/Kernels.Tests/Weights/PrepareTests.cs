using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public sealed unsafe class PrepareTests : IDisposable
{
    private readonly WorkerPool _pool = new(2);

    public void Dispose() => _pool.Dispose();

    public static TheoryData<DType, ScaleKind?> Formats => WeightFactory.Formats;

    [Theory]
    [MemberData(nameof(Formats))]
    public void Stacked_parts_multiply_as_each_does(DType format, ScaleKind? scale)
    {
        // Blocks of 128 rows that begin anywhere in a panel.
        int[] rows = [32, 1, 32, 150, 7];
        const int K = 300;
        Random random = new(1);
        WeightMatrix[] parts = [.. rows.Select(n => WeightFactory.Create(random, format, scale, n, K))];
        using Tensor x = WeightFactory.Activations(random, 2, K), y = Tensor.Allocate(DType.F32, new Shape(2, rows.Sum()));
        foreach (ProductKernels kernels in ProductKernels.All(_pool))
        {
            using WeightMatrix stacked = kernels.Prepare(parts);
            Assert.Equal((rows.Sum(), K, format, WeightLayout.Panels, "w"), (stacked.Rows, stacked.Columns, stacked.Format, stacked.Layout, stacked.Name));
            kernels.MatMul(x, stacked, y);
            int first = 0;
            foreach (WeightMatrix part in parts)
            {
                using WeightMatrix alone = kernels.Prepare([part]);
                using Tensor expected = Tensor.Allocate(DType.F32, new Shape(2, part.Rows));
                kernels.MatMul(x, alone, expected);
                for (int t = 0; t < 2; t++)
                    Assert.True(expected.Span<int>().Slice(t * part.Rows, part.Rows).SequenceEqual(y.Span<int>().Slice(t * stacked.Rows + first, part.Rows)), kernels.Name);
                first += part.Rows;
            }
        }
        foreach (WeightMatrix part in parts)
            part.Dispose();
    }

    [Fact]
    public void Parts_of_different_scale_kinds_can_be_stacked()
    {
        Random random = new(2);
        using WeightMatrix none = WeightFactory.Create(random, DType.F8E4M3, null, 40, 200);
        using WeightMatrix block = WeightFactory.Create(random, DType.F8E4M3, ScaleKind.Block, 140, 200);
        using WeightMatrix row = WeightFactory.Create(random, DType.F8E4M3, ScaleKind.Row, 30, 200);
        WeightMatrix[] parts = [none, block, row];
        using Tensor ids = Tensor.From<int>(DType.I32, new Shape(210), Enumerable.Range(0, 210).ToArray());
        using Tensor y = Tensor.Allocate(DType.F32, new Shape(210, 200));
        ProductKernels kernels = ProductKernels.Widest(_pool);
        using WeightMatrix stacked = kernels.Prepare(parts);
        kernels.Embed(ids, stacked, y);
        int n = 0;
        foreach (WeightMatrix part in parts)
            for (int r = 0; r < part.Rows; r++, n++)
                for (int k = 0; k < 200; k++)
                    Assert.Equal(part.At(r, k), y.Pointer<float>()[n * 200 + k]);
    }

    [Fact]
    public void Factors_that_a_panel_shares_are_kept_once()
    {
        Random random = new(3);
        ProductKernels kernels = ProductKernels.Widest(_pool);
        using WeightMatrix plain = WeightFactory.Create(random, DType.F8E4M3, ScaleKind.Block, 256, 256), w = kernels.Prepare([plain]);
        Assert.Equal(ScaleKind.Panel, w.Scales!.Kind);
        Assert.Equal(new Shape(4, 2), w.Scales.Values.Shape);
        using WeightMatrix odd = WeightFactory.Create(random, DType.F8E4M3, ScaleKind.Block, 32, 256), stacked = kernels.Prepare([odd, plain]);
        Assert.Equal(ScaleKind.PanelRow, stacked.Scales!.Kind);
    }

    [Theory]
    [InlineData(DType.F8E4M3, 0x7F)]
    [InlineData(DType.F8E4M3, 0xFF)]
    [InlineData(DType.F16, 0x7C00)]
    [InlineData(DType.F16, 0xFC00)]
    [InlineData(DType.F16, 0x7E00)]
    public void A_weight_that_is_not_finite_is_refused_by_name(DType format, int code)
    {
        Random random = new(4);
        using WeightMatrix plain = WeightFactory.Create(random, format, null, 70, 13, name: "layers.3.up");
        if (format == DType.F16)
            plain.Data.Pointer<ushort>()[67 * 13 + 12] = (ushort)code;
        else
            plain.Data.Pointer<byte>()[67 * 13 + 12] = (byte)code;
        foreach (ProductKernels kernels in ProductKernels.All(_pool))
        {
            InvalidInputException e = Assert.Throws<InvalidInputException>(() => kernels.Prepare([plain]));
            Assert.Contains("layers.3.up", e.Message, StringComparison.Ordinal);
            Assert.Contains("row 67, column 12", e.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void A_scale_that_is_not_finite_is_refused_by_name(float scale)
    {
        Random random = new(5);
        using WeightMatrix plain = WeightFactory.Create(random, DType.F8E4M3, ScaleKind.Row, 70, 13, name: "layers.3.up");
        plain.Scales!.Values.Pointer<float>()[65] = scale;
        InvalidInputException e = Assert.Throws<InvalidInputException>(() => ProductKernels.Widest(_pool).Prepare([plain]));
        Assert.Contains("layers.3.up at row 65", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Formats_and_shapes_that_do_not_fit_are_refused()
    {
        Random random = new(6);
        ProductKernels kernels = ProductKernels.Widest(_pool);
        using Tensor wide = Tensor.Allocate(DType.F64, new Shape(2, 2)), e5m2 = Tensor.Allocate(DType.F8E5M2, new Shape(2, 2));
        Assert.Throws<InvalidInputException>(() => kernels.Prepare([WeightMatrix.RowMajor("w", wide)]));
        Assert.Throws<InvalidInputException>(() => kernels.Prepare([WeightMatrix.RowMajor("w", e5m2)]));
        using WeightMatrix a = WeightFactory.Create(random, DType.BF16, null, 2, 3), b = WeightFactory.Create(random, DType.BF16, null, 2, 4);
        using WeightMatrix c = WeightFactory.Create(random, DType.F16, null, 2, 3), d = WeightFactory.Create(random, DType.BF16, ScaleKind.Row, 2, 3);
        Assert.Throws<InvalidInputException>(() => kernels.Prepare([a, b]));
        Assert.Throws<InvalidInputException>(() => kernels.Prepare([a, c]));
        Assert.Throws<InvalidInputException>(() => kernels.Prepare([d]));
        Assert.Throws<ArgumentException>(() => kernels.Prepare([]));
    }
}
