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
