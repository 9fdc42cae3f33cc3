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

    /// <summary>Sampling from the largest logits, with and without penalties, whose history grows; and greedy decoding.</summary>
    public static IEnumerable<object[]> Samplers() =>
        from device in TestDevices.Names.Select(names => (string)names[0])
        from sampler in new[] { "greedy", "top-k", "penalties" }
        where !TestDevices.IsEmulator(device) || sampler != "top-k"
        select new object[] { device, sampler };

    [Theory]
    [MemberData(nameof(Samplers))]
    public void What_is_queued_for_a_token_is_the_same_every_time(string device, string sampler)
    {
        using Mellum mellum = Mellum.Load(GoldenFolder.Find("models", "tiny"), new MellumOptions { Device = device, LoadMtp = false });
        GpuDevice gpu = (GpuDevice)mellum.Model.Context.Kernels.Device;
        using TokenDecoder decoder = Create(mellum.Model, 12, Options(sampler), 0);
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
        Assert.Equal(sampler == "penalties", first.Any(launch => launch.Kernel == "TakeOut"));
        Assert.Equal(first.Select(launch => launch.Kernel), queued.Select(launch => launch.Kernel));
        foreach ((var one, var other) in first.Zip(queued))
            Assert.True(one.Equals(other), $"{one.Kernel} was queued with other numbers.");
    }

    public static IEnumerable<object[]> Sampled() =>
        from device in DeviceModels.FastNames
        from sampler in new[] { "top-k", "penalties", "greedy" }
        from drafts in new[] { 0, 2 }
        select new object[] { device, sampler, drafts };

    [Theory]
    [MemberData(nameof(Sampled))]
    public void Tokens_allocate_nothing_however_they_are_chosen(string device, string sampler, int drafts)
    {
        const int Tokens = 20, WarmUp = 60;
        MellumModel model = DeviceModels.Get(device, "models/tiny");
        using TokenDecoder decoder = Create(model, model.Configuration.MaximumPositions, Options(sampler), drafts);
        GpuDevice? gpu = model.Context.Kernels.Device as GpuDevice;
        decoder.Prefill([1, 2, 3]);
        // Passes of every number of pending rows are seen once.
        Take(WarmUp);
        long memory = gpu?.AllocatedBytes ?? 0;
        Assert.Equal(0, Allocations.Least(() => Take(Tokens)));
        Assert.Equal(memory, gpu?.AllocatedBytes ?? 0);
        if (drafts > 0)
            Assert.True(decoder.Statistics.Drafted > 0);

        void Take(int count)
        {
            for (int i = 0; i < count; i++)
                Assert.True(decoder.TryNext(out _));
        }
    }

    private static SamplerOptions Options(string sampler) => sampler switch
    {
        "greedy" => SamplerOptions.Greedy,
        "top-k" => new SamplerOptions { TopK = 20 },
        _ => new SamplerOptions { TopK = 20, RepetitionPenalty = 1.2, FrequencyPenalty = 0.1 },
    };

    private static TokenDecoder Create(MellumModel model, int context, SamplerOptions options, int drafts) => new(model, new DecoderOptions
    {
        Context = context,
        Sampler = StandardSampler.Create(options, model.Configuration.VocabularySize),
        Speculation = drafts == 0 ? SpeculationOptions.Off : new SpeculationOptions(DraftKind.Mtp, drafts),
    });

    private static TokenDecoder Greedy(MellumModel model, int context) => Create(model, context, SamplerOptions.Greedy, 0);

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
