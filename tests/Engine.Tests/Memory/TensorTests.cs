using FsCheck.Xunit;
using Mellum2.Managed.Tests;
using Xunit;

namespace Mellum2.Managed.Engine.Tests;

public unsafe class TensorTests
{
    [Fact]
    public void Memory_is_aligned_zeroed_and_counted()
    {
        long before = NativeBuffer.AllocatedBytes;
        for (int bytes = 0; bytes < 300; bytes += 7)
        {
            using NativeBuffer buffer = new(bytes);
            Assert.Equal(0, (long)buffer.Pointer % NativeBuffer.Alignment);
            // The slack behind the end is readable too.
            for (int i = 0; i < bytes + 64; i++)
                Assert.Equal(0, buffer.Pointer[i]);
            Assert.Equal(before + bytes, NativeBuffer.AllocatedBytes);
        }
        Assert.Equal(before, NativeBuffer.AllocatedBytes);
        Assert.Throws<ArgumentOutOfRangeException>(() => new NativeBuffer(-1));
    }

    [Fact]
    public void A_block_that_no_system_has_is_refused_in_one_sentence()
    {
        Assert.Contains("bytes of memory", Assert.Throws<InvalidInputException>(() => new NativeBuffer(1L << 60)).Message);
        Assert.Throws<OverflowException>(() => Tensor.Allocate(DType.F64, new Shape(int.MaxValue, int.MaxValue, int.MaxValue, int.MaxValue)));
    }

    [Fact]
    public void Shapes_have_counts_rows_and_columns()
    {
        Assert.Equal((1L, 1, 1), (default(Shape).Count, default(Shape).Rows, default(Shape).Columns));
        Shape four = new(2, 3, 4, 5);
        Assert.Equal((120L, 24, 5, 4), (four.Count, four.Rows, four.Columns, four.Rank));
        Assert.Equal((7L, 1, 7), (new Shape(7).Count, new Shape(7).Rows, new Shape(7).Columns));
        Assert.Equal((4L * int.MaxValue, 4), (new Shape(4, int.MaxValue).Count, new Shape(4, int.MaxValue).Rows));
        Assert.Equal(new Shape(2, 3), Shape.Of([2, 3]));
        Assert.Equal("[2, 3, 4, 5]", four.ToString());
        Assert.Throws<ArgumentException>(() => Shape.Of([1, 2, 3, 4, 5]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Shape(2, -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => four[4]);
        Assert.Equal(0, new Shape(0, 5).Count);
    }

    [Fact]
    public void A_tensor_gives_its_elements_in_their_size_alone()
    {
        using Tensor tensor = Tensor.From<float>(DType.F32, new Shape(2, 3), [1, 2, 3, 4, 5, 6]);
        Assert.Equal([1, 2, 3, 4, 5, 6], tensor.Span<float>().ToArray());
        Assert.Equal(24, tensor.ByteLength);
        Assert.Throws<InvalidOperationException>(() => tensor.Span<double>());
        Assert.Throws<ArgumentException>(() => tensor.Reinterpret(DType.F64, new Shape(2, 3)));
        tensor.Reinterpret(DType.F64, new Shape(3));
        Assert.Equal(3, tensor.Span<double>().Length);
    }

    [Property(MaxTest = 200)]
    public void A_workspace_hands_out_disjoint_memory_and_reuses_what_was_released(ushort[] counts)
    {
        using PooledWorkspace workspace = new();
        List<Tensor> rented = [];
        foreach (ushort count in counts)
        {
            Tensor tensor = workspace.Rent(DType.F32, new Shape(count));
            Assert.Equal(count, tensor.Count);
            Assert.True(tensor.CapacityBytes >= tensor.ByteLength);
            Assert.All(rented, other => Assert.True(
                tensor.Data + tensor.CapacityBytes <= other.Data || other.Data + other.CapacityBytes <= tensor.Data));
            rented.Add(tensor);
        }
        long held = workspace.ByteLength, bytes = rented.Sum(tensor => Math.Max(tensor.ByteLength, 64));
        Assert.InRange(held, bytes, bytes * 1.25);
        foreach (Tensor tensor in rented)
            workspace.Release(tensor);
        foreach (ushort count in counts)
            Assert.Equal(2 * count, workspace.Rent(DType.BF16, new Shape(2 * count)).Count);
        Assert.Equal(held, workspace.ByteLength);
    }

    [Fact]
    public void A_workspace_that_has_seen_the_shapes_allocates_nothing()
    {
        using PooledWorkspace workspace = new();
        Assert.Equal(0, Allocations.Least(() =>
        {
            Tensor a = workspace.Rent(DType.F32, new Shape(4, 100)), b = workspace.Rent(DType.F32, new Shape(7));
            workspace.Release(a);
            workspace.Release(b);
        }));
    }
}
