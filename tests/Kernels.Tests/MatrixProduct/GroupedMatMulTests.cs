using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public sealed unsafe class GroupedMatMulTests : IDisposable
{
    private const int Experts = 6;
    private const int N = 83;
    private const int K = 270;

    private readonly WorkerPool _pool = new(2);

    public void Dispose() => _pool.Dispose();

    public static TheoryData<DType, ScaleKind?> Formats => WeightFactory.Formats;

    [Theory]
    [MemberData(nameof(Formats))]
    public void Each_row_is_its_product_with_its_expert(DType format, ScaleKind? scale)
    {
        int[][] loads = [[0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1], [0, 3, 0, 2, 1, 0], [40, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 30], [5, 1, 17, 0, 4, 290]];
        Random random = new(1);
        WeightMatrix[] plain = [.. Enumerable.Range(0, Experts).Select(e => WeightFactory.Create(random, format, scale, N, K, 0.02f + 60 * e))];
        foreach (ProductKernels kernels in ProductKernels.All(_pool))
        {
            WeightMatrix[] experts = [.. plain.Select(w => kernels.Prepare([w]))];
            foreach (int[] load in loads)
            {
                Compare(kernels, experts, load, random, gather: true);
                Compare(kernels, experts, load, random, gather: false);
            }
            foreach (WeightMatrix expert in experts)
                expert.Dispose();
        }
        foreach (WeightMatrix w in plain)
            w.Dispose();
    }

    private static void Compare(ProductKernels kernels, WeightMatrix[] experts, int[] load, Random random, bool gather)
    {
        const int Slots = 2;
        int rows = load.Sum();
        int tokens = gather ? (rows + Slots - 1) / Slots : rows;
        using Tensor x = WeightFactory.Activations(random, tokens, K), offsets = Offsets(load);
        int[] pairs = [.. Enumerable.Range(0, rows)];
        random.Shuffle(pairs);
        using Tensor order = Tensor.From<int>(DType.I32, new Shape(rows), pairs);
        using Tensor y = Tensor.Allocate(DType.F32, new Shape(rows, N));
        kernels.GroupedMatMul(x, gather ? order : null, gather ? Slots : 1, offsets, experts, y);
        int row = 0;
        for (int e = 0; e < Experts; e++)
        {
            for (int i = 0; i < load[e]; i++, row++)
            {
                int source = gather ? pairs[row] / Slots : row;
                using Tensor one = Tensor.From<float>(DType.F32, new Shape(1, K), x.Span<float>().Slice(source * K, K));
                using Tensor expected = Tensor.Allocate(DType.F32, new Shape(1, N));
                kernels.MatMul(one, experts[e], expected);
                Assert.True(expected.Span<int>().SequenceEqual(y.Span<int>().Slice(row * N, N)), $"{kernels.Name}: row {row} of expert {e}");
            }
        }
    }

    internal static Tensor Offsets(int[] load)
    {
        int[] offsets = new int[load.Length + 1];
        for (int e = 0; e < load.Length; e++)
            offsets[e + 1] = offsets[e] + load[e];
        return Tensor.From<int>(DType.I32, new Shape(offsets.Length), offsets);
    }
}
