using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public sealed unsafe class EmbedTests : IDisposable
{
    private readonly WorkerPool _pool = new(2);

    public void Dispose() => _pool.Dispose();

    public static TheoryData<DType, ScaleKind?> Formats => WeightFactory.Formats;

    [Theory]
    [MemberData(nameof(Formats))]
    public void Rows_are_exact_from_a_table_and_from_panels(DType format, ScaleKind? scale)
    {
        Random random = new(1);
        foreach ((int vocabulary, int hidden) in ((int, int)[])[(150, 261), (1, 1), (65, 16)])
        {
            using WeightMatrix plain = WeightFactory.Create(random, format, scale, vocabulary, hidden);
            int[] tokens = [0, vocabulary - 1, .. Enumerable.Range(0, 60).Select(_ => random.Next(vocabulary))];
            using Tensor ids = Tensor.From<int>(DType.I32, new Shape(tokens.Length), tokens);
            using Tensor y = Tensor.Allocate(DType.F32, new Shape(tokens.Length, hidden));
            foreach (ProductKernels kernels in ProductKernels.All(_pool))
            {
                using WeightMatrix table = kernels.PrepareEmbedding(plain), panels = kernels.Prepare([plain]);
                Assert.NotEqual((nint)plain.Data.Data, (nint)table.Data.Data);
                foreach (WeightMatrix source in (WeightMatrix[])[table, panels])
                {
                    y.Span<float>().Clear();
                    kernels.Embed(ids, source, y);
                    for (int t = 0; t < tokens.Length; t++)
                        for (int c = 0; c < hidden; c++)
                            Assert.Equal(plain.At(tokens[t], c), y.Pointer<float>()[t * hidden + c]);
                }
            }
        }
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(7)]
    public void An_id_outside_of_the_table_is_refused(int id)
    {
        ProductKernels kernels = ProductKernels.Widest(_pool);
        using WeightMatrix table = WeightFactory.Create(new Random(2), DType.BF16, null, 7, 4);
        using Tensor ids = Tensor.From<int>(DType.I32, new Shape(2), [0, id]), y = Tensor.Allocate(DType.F32, new Shape(2, 4));
        Assert.Throws<ArgumentOutOfRangeException>(() => kernels.Embed(ids, table, y));
    }

    [Fact]
    public void Tables_that_are_not_of_weights_are_refused()
    {
        using Tensor wide = Tensor.Allocate(DType.F64, new Shape(2, 2));
        Assert.Throws<InvalidInputException>(() => ProductKernels.Widest(_pool).PrepareEmbedding(WeightMatrix.RowMajor("embed", wide)));
    }
}
