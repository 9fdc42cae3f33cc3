using Mellum2.Managed.Model;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Gpu.Tests;

public sealed class DecodingMemoryTests
{
    // What the device is to hold out.
    private const int ManyTokens = 10_000;

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void Memory_of_the_device_stays_over_ten_thousand_tokens(string device)
    {
        using Mellum mellum = Mellum.Load(GoldenFolder.Find("models", "tiny"), new MellumOptions { Device = device, LoadMtp = false });
        GpuDevice gpu = (GpuDevice)mellum.Model.Context.Kernels.Device;
        int context = TestDevices.IsEmulator(device) ? 8 : mellum.Model.Configuration.MaximumPositions, rest = TestDevices.IsEmulator(device) ? 4 : ManyTokens;
        using TokenDecoder decoder = Greedy(mellum.Model, context);
        decoder.Prefill([1, 2]);
        Assert.True(decoder.TryNext(out _) && decoder.TryNext(out _));
        long memory = gpu.AllocatedBytes, most = memory, allocated = 0;
        for (int conversation = 0; rest > 0; conversation++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (; rest > 0 && decoder.TryNext(out _); rest--)
                most = Math.Max(most, gpu.AllocatedBytes);
            allocated += GC.GetAllocatedBytesForCurrentThread() - before;
            decoder.Prefill([3, 4 + conversation % 200]);
        }
        Assert.Equal(memory, most);
        Assert.Equal(memory, gpu.AllocatedBytes);
        // ILGPU's emulator makes an object for every launch.
        if (!TestDevices.IsEmulator(device))
            Assert.Equal(0, allocated);
    }

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void What_is_queued_for_a_token_is_the_same_every_time(string device)
    {
        using Mellum mellum = Mellum.Load(GoldenFolder.Find("models", "tiny"), new MellumOptions { Device = device, LoadMtp = false });
        GpuDevice gpu = (GpuDevice)mellum.Model.Context.Kernels.Device;
        using TokenDecoder decoder = Greedy(mellum.Model, 12);
        decoder.Prefill([1, 2]);
        Assert.True(decoder.TryNext(out _) && decoder.TryNext(out _));
        List<(string Kernel, int X, int Y, object Arguments)> queued = [];
        gpu.Launched = (kernel, x, y, arguments) => queued.Add((kernel, x, y, arguments));
        Assert.True(decoder.TryNext(out _));
        (string Kernel, int X, int Y, object Arguments)[] first = [.. queued];
        queued.Clear();
        Assert.True(decoder.TryNext(out _));
        gpu.Launched = null;
        Assert.NotEmpty(first);
        Assert.Equal(first.Select(launch => launch.Kernel), queued.Select(launch => launch.Kernel));
        foreach ((var one, var other) in first.Zip(queued))
            Assert.True(one.Equals(other), $"{one.Kernel} was queued with other numbers.");
    }

    private static TokenDecoder Greedy(MellumModel model, int context) => new(model, new DecoderOptions
    {
        Context = context,
        Sampler = StandardSampler.Create(SamplerOptions.Greedy, model.Configuration.VocabularySize),
    });

    [Fact]
    public void Everything_on_the_device_is_freed_with_the_model()
    {
        GpuDevice device;
        using (Mellum mellum = Mellum.Load(GoldenFolder.Find("models", "tiny"), new MellumOptions { Device = "emulator" }))
        {
            device = (GpuDevice)mellum.Model.Context.Kernels.Device;
            Assert.True(device.AllocatedBytes >= mellum.Model.WeightBytes);
        }
        Assert.Equal(0, device.AllocatedBytes);
    }
}
