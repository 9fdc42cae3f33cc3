using Mellum2.Managed.Bench;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.GpuCheck;

/// <summary>Tokens a second: of the small trained checkpoint, and of random weights in the released shape.</summary>
internal static class TokenBench
{
    // What has to be left of a device's memory for other programs and the driver.
    private const double MostOfMemory = 0.85;

    /// <summary>The small checkpoint, plain and with drafts by its MTP head, and on the processor.</summary>
    public static IEnumerable<Measurement> RunMini(CheckedDevice device)
    {
        int tokens = device.IsProcessor ? 16 : 128;
        foreach (MatrixUnits units in device.ModelUnits)
        {
            MellumModel model = device.Model(GoldenFiles.Mini, units);
            string name = ModelChecks.NameOf(GoldenFiles.Mini, units);
            yield return new($"{name}, greedy", Decode(device, model, SpeculationOptions.Off, 2, tokens), "tokens/s");
            yield return new($"{name}, greedy, 3 drafts by MTP", Decode(device, model, new SpeculationOptions(DraftKind.Mtp, 3), 2, tokens), "tokens/s");
        }
        yield return new("mini on the processor, greedy", Decode(device, device.ModelOnProcessor(GoldenFiles.Mini), SpeculationOptions.Off, 2, tokens), "tokens/s");
    }

    /// <summary>Some layers of the released shape, FP8.</summary>
    public static IEnumerable<Measurement> RunStack(CheckedDevice device, int layers) =>
        Run(device, ModelConfiguration.Named("mellum2-12b").WithLayers(layers), DType.F8E4M3);

    /// <summary>The released shape in BF16 where it fits, else in FP8; nothing of it where neither does.</summary>
    public static IEnumerable<Measurement> RunWhole(CheckedDevice device)
    {
        if (device.Extent != Extent.Full || device.IsProcessor)
            return [];
        ModelConfiguration shape = ModelConfiguration.Named("mellum2-12b");
        foreach (DType format in (DType[])[DType.BF16, DType.F8E4M3])
            if (Fits(device, shape, format))
                return Run(device, shape, format);
        return [];
    }

    private static bool Fits(CheckedDevice device, ModelConfiguration shape, DType format) =>
        DevicePlan.Loading(device.Description, shape, withMtp: false, name => RandomWeights.FormatOf(name, format)).Total <= MostOfMemory * device.Description.MemoryBytes;

    private static IEnumerable<Measurement> Run(CheckedDevice device, ModelConfiguration shape, DType format)
    {
        if (!Fits(device, shape, format))
            yield break;
        int prompt = device.IsProcessor ? 32 : 512, tokens = device.IsProcessor ? 4 : 64;
        using RunningModel stack = RunningModel.Random(shape, format, device.Kernels(), device.Cancel);
        string name = $"{shape.LayerCount} {(shape.LayerCount == 1 ? "layer" : "layers")}, {format.Name()}";
        double? Rate(int rows, int cached) => device.Profile() is { } profile ? rows / KernelWork.Of(shape, format, rows, cached).Sum(work => work.Seconds(profile)) : null;
        yield return new($"{name}, greedy behind {prompt}", Decode(device, stack.Model, SpeculationOptions.Off, prompt, tokens), "tokens/s", Rate(1, prompt));
        using TokenDecoder decoder = Decoder(stack.Model, SpeculationOptions.Off, prompt + 1);
        int first = 0;
        yield return new(
            $"{name}, a prompt of {prompt}", prompt / device.Time(1, _ => decoder.Prefill(Prompt(stack.Model, prompt, first++))), "tokens/s", Rate(prompt, 0));
    }

    // The time of the prompt, of which all but the last token is in the cache already, is that of a token.
    private static double Decode(CheckedDevice device, MellumModel model, SpeculationOptions speculation, int prompt, int tokens)
    {
        using TokenDecoder decoder = Decoder(model, speculation, prompt + tokens + 1);
        int[] ids = Prompt(model, prompt, 1);
        return tokens / device.Time(1, call =>
        {
            decoder.Prefill(ids);
            for (int i = 0; i < tokens && !device.Cancel.IsCancellationRequested; i++)
                _ = decoder.TryNext(out _);
        });
    }

    private static TokenDecoder Decoder(MellumModel model, SpeculationOptions speculation, int context) => new(model, new DecoderOptions
    {
        Context = context,
        Sampler = StandardSampler.Create(SamplerOptions.Greedy, model.Configuration.VocabularySize),
        Speculation = speculation,
    });

    private static int[] Prompt(MellumModel model, int length, int first) =>
        [.. Enumerable.Range(0, length).Select(i => (int)((first + i * 7919L) % model.Configuration.VocabularySize))];
}
