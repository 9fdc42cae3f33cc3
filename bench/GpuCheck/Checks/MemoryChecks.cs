using System.Globalization;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.GpuCheck;

/// <summary>A token costs no memory, neither of the device nor of the managed heap.</summary>
internal static class MemoryChecks
{
    public static IEnumerable<Check> All(CheckedDevice device) =>
        from units in device.ModelUnits
        select new Check("Memory", ModelChecks.NameOf(GoldenFiles.All[0], units), checkedDevice => Decode(checkedDevice, units));

    private static Outcome Decode(CheckedDevice device, MatrixUnits units)
    {
        MellumModel model = device.Model(GoldenFiles.All[0], units);
        int tokens = device.Extent switch { Extent.Emulated => 2, Extent.Quick => 500, _ => 10_000 };
        using TokenDecoder decoder = new(model, new DecoderOptions
        {
            Context = device.IsEmulated ? 8 : model.Configuration.MaximumPositions,
            Sampler = StandardSampler.Create(SamplerOptions.Greedy, model.Configuration.VocabularySize),
        });
        decoder.Prefill([1, 2]);
        // The first passes take what the others use again.
        for (int i = 0; i < 2; i++)
            _ = decoder.TryNext(out _);
        long memory = device.Gpu.AllocatedBytes, most = memory, managed = 0;
        for (int rest = tokens, conversation = 0; rest > 0; conversation++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (; rest > 0 && !device.Cancel.IsCancellationRequested && decoder.TryNext(out _); rest--)
                most = Math.Max(most, device.Gpu.AllocatedBytes);
            managed += GC.GetAllocatedBytesForCurrentThread() - before;
            device.Cancel.ThrowIfCancellationRequested();
            if (rest > 0)
                decoder.Prefill([3, 4 + conversation % 200]);
        }
        // ILGPU's emulator makes an object for every launch.
        string measured = string.Create(
            CultureInfo.InvariantCulture, $"over {tokens:N0} tokens {most - memory:N0} bytes more on the device than the {memory:N0} before, {managed:N0} managed bytes allocated{(device.IsEmulated ? " (the emulator allocates by itself)" : "")}");
        return most == memory && (managed == 0 || device.IsEmulated) ? Outcome.Passed(measured) : Outcome.Failed(measured);
    }
}
