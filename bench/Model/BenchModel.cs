using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Bench;

/// <summary>A model of random weights in the released shape with fewer layers, and what a token of it reads.</summary>
internal sealed class BenchModel : IDisposable
{
    private readonly Mellum _mellum;

    public BenchModel(int layers, DType format, int threads, bool withMtp = false)
    {
        Configuration = ModelConfiguration.Named("mellum2-12b").WithLayers(layers);
        if (withMtp)
            Configuration = Configuration with { MtpLayerCount = 1 };
        _mellum = Mellum.Random(Configuration, format, withMtp, new MellumOptions { Threads = threads });
        Format = format;
    }

    public ModelConfiguration Configuration { get; }

    public MellumModel Model => _mellum.Model;

    private DType Format { get; }

    /// <summary>What a token multiplies by.</summary>
    private ActiveWeights Active => ActiveWeights.Of(
        Configuration, tensor => tensor.Shape.Count * RandomWeights.FormatOf(tensor.Name, Format).Size());

    /// <summary>The bytes of weights that one decoded token reads.</summary>
    public double TokenBytes => Active.Bytes;

    /// <summary>The operations of a prefill: active weights × 2 × tokens, and the head for one row.</summary>
    public double PrefillOperations(int tokens) => Active.PrefillOperations(tokens);

    public TokenDecoder Decoder(int context) => new(Model, new DecoderOptions
    {
        Context = context,
        Sampler = StandardSampler.Create(SamplerOptions.Greedy, Configuration.VocabularySize),
    });

    public int[] Prompt(int length, int first) =>
        [.. Enumerable.Range(0, length).Select(i => (first + i * 7919) % Configuration.VocabularySize)];

    public void Dispose() => _mellum.Dispose();

    public static DType ParseFormat(string[] args, DType otherwise)
    {
        int at = Array.IndexOf(args, "--dtype");
        return at < 0 ? otherwise : args[at + 1] switch { "bf16" => DType.BF16, "f16" => DType.F16, "f32" => DType.F32, _ => DType.F8E4M3 };
    }
}
