using Mellum2.Managed.Model;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Gpu.Tests;

public sealed class DecodingMemoryTests
{
    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void Memory_of_the_device_stays_and_launches_are_the_same_for_every_token(string device)
    {
        using Mellum mellum = Mellum.Load(GoldenFolder.Find("models", "tiny"), new MellumOptions { Device = device, LoadMtp = false });
        GpuDevice gpu = (GpuDevice)mellum.Model.Context.Kernels.Device;
        int tokens = TestDevices.IsEmulator(device) ? 2 : 200;
        using TokenDecoder decoder = new(mellum.Model, new DecoderOptions
        {
            Context = 2 * tokens + 4,
            Sampler = StandardSampler.Create(SamplerOptions.Greedy, mellum.Model.Configuration.VocabularySize),
        });
        decoder.Prefill([1, 2]);
        Read(tokens);
        long memory = gpu.AllocatedBytes, launches = gpu.Launches, allocated = GC.GetAllocatedBytesForCurrentThread();
        Read(1);
        long perToken = gpu.Launches - launches;
        Read(tokens - 1);
        allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
        Assert.Equal(memory, gpu.AllocatedBytes);
        Assert.Equal(tokens * perToken, gpu.Launches - launches);
        // ILGPU's emulator makes an object for every launch.
        if (!TestDevices.IsEmulator(device))
            Assert.Equal(0, allocated);

        void Read(int count)
        {
            for (int i = 0; i < count; i++)
                Assert.True(decoder.TryNext(out _));
        }
    }

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
