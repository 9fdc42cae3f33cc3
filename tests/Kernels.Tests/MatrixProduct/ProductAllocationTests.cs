using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

/// <summary>The counters are those of the process, so these tests run while no others do.</summary>
[CollectionDefinition(nameof(ProductAllocationTests), DisableParallelization = true)]
[Collection(nameof(ProductAllocationTests))]
public sealed unsafe class ProductAllocationTests : IDisposable
{
    private readonly WorkerPool _pool = new(2);

    public void Dispose() => _pool.Dispose();

    public static TheoryData<DType, ScaleKind?> Formats => WeightFactory.Formats;

    [Theory]
    [MemberData(nameof(Formats))]
    public void A_product_allocates_nothing_once_its_shape_has_been_seen(DType format, ScaleKind? scale)
    {
        Random random = new(1);
        ProductKernels kernels = ProductKernels.Widest(_pool);
        using WeightMatrix plain = WeightFactory.Create(random, format, scale, 200, 500), w = kernels.Prepare([plain]);
        foreach (int rows in (int[])[1, 3, 40])
        {
            using Tensor x = WeightFactory.Activations(random, rows, 500), y = Tensor.Allocate(DType.F32, new Shape(rows, 200));
            AssertNothingAllocated(() => kernels.MatMul(x, w, y));
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void A_grouped_product_allocates_nothing_once_its_shape_has_been_seen(DType format, ScaleKind? scale)
    {
        Random random = new(2);
        int[] load = [5, 1, 17, 0, 4, 29];
        ProductKernels kernels = ProductKernels.Widest(_pool);
        WeightMatrix[] experts = [.. load.Select(_ => kernels.Prepare([WeightFactory.Create(random, format, scale, 83, 270)]))];
        using Tensor x = WeightFactory.Activations(random, load.Sum(), 270), y = Tensor.Allocate(DType.F32, new Shape(load.Sum(), 83));
        using Tensor offsets = GroupedMatMulTests.Offsets(load);
        AssertNothingAllocated(() => kernels.GroupedMatMul(x, null, 1, offsets, experts, y));
    }

    /// <summary>Runs <paramref name="product"/> a few times, then a hundred times in which nothing may be allocated.</summary>
    internal static void AssertNothingAllocated(Action product)
    {
        const int Calls = 100;
        for (int i = 0; i < 3; i++)
            product();
        // The test host and the question itself allocate; a product that did would come to more, in every attempt.
        long native = NativeBuffer.AllocatedBytes, least = long.MaxValue;
        for (int attempt = 0; attempt < 20 && least > 4 * Calls; attempt++)
        {
            long before = GC.GetTotalAllocatedBytes(true);
            for (int i = 0; i < Calls; i++)
                product();
            least = Math.Min(least, GC.GetTotalAllocatedBytes(true) - before);
        }
        Assert.InRange(least, 0, 4 * Calls);
        Assert.Equal(native, NativeBuffer.AllocatedBytes);
    }
}
