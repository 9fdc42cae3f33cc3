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
            yield return new($"{name}, {model.Configuration.LayerCount} layers, launches of a token", Launches(device, model), "launches");
            yield return new($"{name}, greedy, 3 drafts by MTP", Decode(device, model, new SpeculationOptions(DraftKind.Mtp, 3), 2, tokens), "tokens/s");
        }
        yield return new("mini on the processor, greedy", Decode(device, device.ModelOnProcessor(GoldenFiles.Mini), SpeculationOptions.Off, 2, tokens), "tokens/s");
    }

    /// <summary>Four layers of the released shape.</summary>
    public static IEnumerable<Measurement> RunLayers(CheckedDevice device) => RunWhereItFits(device, Shape.WithLayers(4));

    /// <summary>The released shape, whose random weights alone take a minute.</summary>
    public static IEnumerable<Measurement> RunWhole(CheckedDevice device) => device.Extent == Extent.Full ? RunWhereItFits(device, Shape) : [];

    private static ModelConfiguration Shape => ModelConfiguration.Named("mellum2-12b");

    // In BF16 where it fits, else in FP8; nothing where neither does. A processor would take minutes.
    private static IEnumerable<Measurement> RunWhereItFits(CheckedDevice device, ModelConfiguration shape)
    {
        foreach (DType format in device.IsProcessor ? (DType[])[] : [DType.BF16, DType.F8E4M3])
            if (Fits(device, shape, format))
                return Run(device, shape, format);
        return [];
    }

    private static bool Fits(CheckedDevice device, ModelConfiguration shape, DType format) =>
        DevicePlan.Loading(device.Description, shape, withMtp: false, name => RandomWeights.FormatOf(name, format)).Total <= MostOfMemory * device.Description.MemoryBytes;

    private static IEnumerable<Measurement> Run(CheckedDevice device, ModelConfiguration shape, DType format)
    {
        const int Prompt = 512, Tokens = 64;
        using RunningModel stack = RunningModel.Random(shape, format, device.Kernels(), device.Cancel);
        string name = $"{shape.LayerCount} layers, {format.Name()}";
        double? Rate(int rows, int cached) => device.Profile() is { } profile ? rows / KernelWork.Of(shape, format, rows, cached).Sum(work => work.Seconds(profile)) : null;
        yield return new($"{name}, greedy behind {Prompt}", Decode(device, stack.Model, SpeculationOptions.Off, Prompt, Tokens), "tokens/s", Rate(1, Prompt));
        using TokenDecoder decoder = Decoder(stack.Model, SpeculationOptions.Off, Prompt + 1);
        int first = 0;
        yield return new(
            $"{name}, a prompt of {Prompt}", Prompt / device.Time(1, _ => decoder.Prefill(Ids(stack.Model, Prompt, first++), null, device.Cancel)), "tokens/s", Rate(Prompt, 0));
    }

    // The time of the prompt, of which all but the last token is in the cache already, is that of a token.
    private static double Decode(CheckedDevice device, MellumModel model, SpeculationOptions speculation, int prompt, int tokens)
    {
        using TokenDecoder decoder = Decoder(model, speculation, prompt + tokens + 1);
        int[] ids = Ids(model, prompt, 1);
        return tokens / device.Time(1, call =>
        {
            decoder.Prefill(ids, null, device.Cancel);
            for (int i = 0; i < tokens; i++)
                _ = decoder.TryNext(out _);
        });
    }

    private static long Launches(CheckedDevice device, MellumModel model)
    {
        using TokenDecoder decoder = Decoder(model, SpeculationOptions.Off, 8);
        decoder.Prefill([1, 2]);
        _ = decoder.TryNext(out _);
        long before = device.Gpu.Launches;
        _ = decoder.TryNext(out _);
        return device.Gpu.Launches - before;
    }

    private static TokenDecoder Decoder(MellumModel model, SpeculationOptions speculation, int context) => new(model, new DecoderOptions
    {
        Context = context,
        Sampler = StandardSampler.Create(SamplerOptions.Greedy, model.Configuration.VocabularySize),
        Speculation = speculation,
    });

    private static int[] Ids(MellumModel model, int length, int first) =>
        [.. Enumerable.Range(0, length).Select(i => (int)((first + i * 7919L) % model.Configuration.VocabularySize))];
}
