using Mellum2.Managed.Model;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Gpu.Tests;

/// <summary>What goes wrong with a device while a model runs: one sentence, a clean end, and the program goes on.</summary>
public sealed class FaultTests
{
    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void A_device_without_memory_in_the_middle_ends_with_numbers_and_frees_everything(string name)
    {
        using Mellum mellum = Load(name);
        GpuDevice device = (GpuDevice)mellum.Model.Context.Kernels.Device;
        using (TokenDecoder decoder = Greedy(mellum.Model))
        {
            decoder.Prefill([1]);
            // A longer pass needs larger activations.
            device.MostAllocatedBytes = device.AllocatedBytes;
            string message = Assert.Throws<InvalidInputException>(() => decoder.Prefill([5, 6, 7, 8, 9])).Message;
            OneSentence(message, device.Name);
            Assert.Contains(device.AllocatedBytes.ToString("N0", System.Globalization.CultureInfo.InvariantCulture), message, StringComparison.Ordinal);
        }
        device.MostAllocatedBytes = long.MaxValue;
        using (TokenDecoder decoder = Greedy(mellum.Model))
        {
            decoder.Prefill([1]);
            Assert.True(decoder.TryNext(out _));
        }
        mellum.Dispose();
        Assert.Equal(0, device.AllocatedBytes);
    }

    public static IEnumerable<object[]> Decoders() =>
        from device in TestDevices.Names.Select(names => (string)names[0])
        from drafts in new[] { 0, 2 }
        select new object[] { device, drafts };

    [Theory]
    [MemberData(nameof(Decoders))]
    public void A_decoder_that_a_device_has_no_room_for_leaves_nothing_behind(string name, int drafts)
    {
        using Mellum mellum = Mellum.Load(GoldenFolder.Find("models", "tiny"), new MellumOptions { Device = name });
        GpuDevice device = (GpuDevice)mellum.Model.Context.Kernels.Device;
        DecoderOptions options = new()
        {
            Context = 100,
            Sampler = StandardSampler.Create(new SamplerOptions { TopK = 5, RepetitionPenalty = 1.1 }, mellum.Model.Configuration.VocabularySize),
            Speculation = drafts == 0 ? SpeculationOptions.Off : new SpeculationOptions(DraftKind.Mtp, drafts),
        };
        long before = device.AllocatedBytes, needed;
        using (TokenDecoder whole = new(mellum.Model, options))
            needed = device.AllocatedBytes - before;
        Assert.Equal(before, device.AllocatedBytes);
        // Each time another of its blocks is the first that is not given, down to the smallest, of four bytes.
        for (long room = 0; room < needed; room += room < needed - 8192 ? 1500 : 100)
        {
            device.MostAllocatedBytes = before + room;
            Assert.Throws<InvalidInputException>(() => new TokenDecoder(mellum.Model, options));
            Assert.Equal(before, device.AllocatedBytes);
        }
        device.MostAllocatedBytes = before + needed;
        new TokenDecoder(mellum.Model, options).Dispose();
        Assert.Equal(before, device.AllocatedBytes);
    }

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void A_lost_device_is_one_sentence_and_is_let_go_of_quietly(string name)
    {
        using (Mellum mellum = Load(name))
        {
            GpuDevice device = (GpuDevice)mellum.Model.Context.Kernels.Device;
            using TokenDecoder decoder = Greedy(mellum.Model);
            decoder.Prefill([1]);
            device.Accelerator.Dispose();
            // The emulator's memory is the process's: nobody there says that it is gone.
            if (!TestDevices.IsEmulator(name))
            {
                OneSentence(Assert.Throws<InvalidInputException>(() => decoder.Prefill([1, 2])).Message, device.Name);
                OneSentence(Assert.Throws<InvalidInputException>(() => device.Allocate(DType.F32, new Shape(4))).Message, device.Name);
            }
        }
        using Mellum next = Load(name);
        using TokenDecoder another = Greedy(next.Model);
        another.Prefill([1]);
        Assert.True(another.TryNext(out _));
    }

    private static Mellum Load(string device) =>
        Mellum.Load(GoldenFolder.Find("models", "tiny"), new MellumOptions { Device = device, LoadMtp = false });

    private static TokenDecoder Greedy(MellumModel model) => new(model, new DecoderOptions
    {
        Context = 16,
        Sampler = StandardSampler.Create(SamplerOptions.Greedy, model.Configuration.VocabularySize),
    });

    private static void OneSentence(string message, string device)
    {
        Assert.Contains(device, message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }
}
