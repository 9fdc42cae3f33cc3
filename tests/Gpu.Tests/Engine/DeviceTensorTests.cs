using System.Runtime.CompilerServices;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Gpu.Tests;

public sealed class DeviceTensorTests
{
    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void What_was_written_is_read(string name)
    {
        Device device = TestDevices.Get(name).Device;
        // Staged, staged at another size, and too large to be staged.
        foreach (int count in new[] { 1, 7, 1000, 1 << 20 })
        {
            int[] values = [.. Enumerable.Range(0, count)];
            using Tensor tensor = Tensor.Allocate(DType.I32, new Shape(count + 3), device);
            tensor.Write<int>([-1, -2, -3]);
            tensor.Write<int>(values, 3);
            tensor.Write<int>([5], 3 + count / 2);
            values[count / 2] = 5;
            int[] read = new int[count];
            tensor.Read(read, 3);
            Assert.Equal(values, read);
            tensor.Read(read.AsSpan(0, 1), 2);
            Assert.Equal(-3, read[0]);
        }
    }

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void A_source_may_be_changed_once_it_was_written(string name)
    {
        using Tensor tensor = Tensor.Allocate(DType.I32, new Shape(50, 3), TestDevices.Get(name).Device);
        int[] row = new int[3];
        for (int i = 0; i < 50; i++)
        {
            Array.Fill(row, i);
            tensor.Write<int>(row, 3 * i);
        }
        int[] read = new int[150];
        tensor.Read<int>(read);
        Assert.Equal(Enumerable.Range(0, 150).Select(i => i / 3), read);
    }

    public static IEnumerable<object[]> WithCpu => TestDevices.Names.Prepend(["cpu"]);

    [Theory]
    [MemberData(nameof(WithCpu))]
    public void Rows_move_within_a_tensor_and_between_devices(string name)
    {
        Device device = name == "cpu" ? Device.Cpu : TestDevices.Get(name).Device;
        short[] values = [.. Enumerable.Range(0, 60).Select(i => (short)i)];
        using Tensor host = Tensor.From<short>(DType.U16, new Shape(20, 3), values);
        foreach ((int from, int count, int to) in new[] { (0, 20, 0), (0, 19, 1), (1, 19, 0), (3, 10, 8), (8, 10, 3), (5, 4, 15), (2, 0, 9) })
        {
            using Tensor tensor = host.CopyTo(device);
            tensor.CopyRowsTo(from, count, tensor, to);
            using Tensor back = tensor.CopyTo(Device.Cpu);
            short[] want = [.. values];
            Array.Copy(values, 3 * from, want, 3 * to, 3 * count);
            Assert.Equal(want, back.Span<short>().ToArray());
        }
    }

    [Fact]
    public void The_host_cannot_look_into_a_device_and_ranges_are_checked()
    {
        using Tensor tensor = Tensor.Allocate(DType.F32, new Shape(2, 2), TestDevices.Get("emulator:0").Device);
        Assert.Throws<InvalidOperationException>(() => tensor.Span<float>().Length);
        unsafe
        {
            Assert.Throws<InvalidOperationException>(() => (nint)tensor.Data);
            Assert.Throws<InvalidOperationException>(() => (nint)tensor.Pointer<float>());
        }
        Assert.Throws<InvalidOperationException>(() => tensor.Write<double>([1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => tensor.Write<float>([1, 2], 3));
        Assert.Throws<ArgumentOutOfRangeException>(() => tensor.Read(new float[1], -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => tensor.CopyRowsTo(1, 2, tensor, 0));
        using Tensor other = Tensor.Allocate(DType.F32, new Shape(2, 3));
        Assert.Throws<ArgumentException>(() => tensor.CopyRowsTo(0, 1, other, 0));
    }

    [Fact]
    public void The_workspace_hands_out_released_memory_again()
    {
        using GpuDevice device = GpuDevices.Open("emulator");
        using (PooledWorkspace workspace = new(device.Allocate))
        {
            Tensor first = workspace.Rent(DType.F32, new Shape(10, 10));
            Assert.Same(device, first.Device);
            workspace.Release(first);
            long bytes = device.AllocatedBytes;
            Assert.Same(first, workspace.Rent(DType.I32, new Shape(98)));
            Assert.Equal(bytes, device.AllocatedBytes);
        }
        Assert.Equal(0, device.AllocatedBytes);
    }

    [Fact]
    public void The_workspace_gives_back_what_is_free_before_it_holds_more_than_was_planned()
    {
        using GpuDevice device = GpuDevices.Open("emulator");
        using PooledWorkspace workspace = new(device.Allocate);
        workspace.Reserve(4096);
        workspace.Reserve(1024);
        Tensor held = workspace.Rent(DType.F32, new Shape(256)), free = workspace.Rent(DType.F32, new Shape(512));
        held.Write<float>([5]);
        workspace.Release(free);
        Assert.Equal(3072, device.AllocatedBytes);
        Tensor large = workspace.Rent(DType.F32, new Shape(640));
        Assert.Equal(1024 + 2560, device.AllocatedBytes);
        Assert.Equal(workspace.ByteLength, device.AllocatedBytes);
        // A pass that needs more than its plan gets it.
        Tensor more = workspace.Rent(DType.F32, new Shape(512));
        Assert.Equal(1024 + 2560 + 2048, device.AllocatedBytes);
        workspace.Release(more);
        workspace.Release(large);
        Assert.Same(more, workspace.Rent(DType.F32, new Shape(512)));
        float[] kept = new float[1];
        held.Read<float>(kept);
        Assert.Equal(5, kept[0]);
    }

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void Small_copies_allocate_nothing(string name)
    {
        using Tensor tensor = Tensor.Allocate(DType.I32, new Shape(100), TestDevices.Get(name).Device);
        int[] values = new int[100];
        Assert.Equal(0, Allocations.Least(() =>
        {
            for (int i = 0; i < 10; i++)
                tensor.Write<int>(values.AsSpan(0, 10 + i % 2), 5);
            tensor.Read<int>(values);
        }));
    }

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void Large_copies_hold_the_memory_that_they_read_and_write(string device)
    {
        // Above the size of staging; nothing else refers to the arrays while a copy runs.
        const int Bytes = 3 << 20;
        using Tensor tensor = Tensor.Allocate(DType.U8, new Shape(Bytes), TestDevices.Get(device).Device);
        // The emulator copies at once, and has hundreds of threads to stop for a collection.
        bool done = TestDevices.IsEmulator(device);
        Thread collector = new(() =>
        {
            while (!Volatile.Read(ref done))
            {
                GC.Collect();
                Thread.Sleep(1);
            }
        });
        collector.Start();
        try
        {
            for (int seed = 0; seed < (TestDevices.IsEmulator(device) ? 2 : 40); seed++)
            {
                Write(tensor, seed);
                Assert.Equal(-1, FirstDifference(tensor, seed));
            }
        }
        finally
        {
            Volatile.Write(ref done, true);
            collector.Join();
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Write(Tensor tensor, int seed) => tensor.Write<byte>(Pattern(tensor, seed));

    private static int FirstDifference(Tensor tensor, int seed)
    {
        byte[] got = new byte[tensor.Count];
        tensor.Read<byte>(got);
        int same = got.AsSpan().CommonPrefixLength(Pattern(tensor, seed));
        return same == got.Length ? -1 : same;
    }

    private static byte[] Pattern(Tensor tensor, int seed)
    {
        byte[] bytes = new byte[tensor.Count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
