using Mellum2.Managed.Model;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Gpu.Tests;

/// <summary>
/// The golden checkpoints through the unchanged model on every device of this machine: on the emulator a few tokens of the
/// smallest, elsewhere all of them.
/// </summary>
public sealed class ModelGoldenTests
{
    private const string EmulatedModel = "tiny";
    private const string EmulatedPrompt = "p1";
    private const int EmulatedTokens = 4;

    // The goldens' README: relative L2 error of states and logits for a float32 engine.
    private const double Tolerance = 2e-5;

    public static IEnumerable<object[]> Prompts() =>
        from device in TestDevices.Names
        from folder in Directory.GetDirectories(GoldenFolder.Find("models")).Select(Path.GetFileName)
        from prompt in new[] { "p0", "p1", "p2" }
        where !TestDevices.IsEmulator((string)device[0]) || (folder == EmulatedModel && prompt == EmulatedPrompt)
        select new object[] { device[0], folder, prompt };

    [Theory]
    [MemberData(nameof(Prompts))]
    public void States_and_logits_are_the_references(string device, string folder, string prompt)
    {
        GoldenTensors golden = GoldenTensors.Load("models", folder, "expected.safetensors");
        int[] ids = golden.Integers($"{prompt}.ids");
        using Mellum mellum = Load(device, folder);
        MellumModel model = mellum.Model;
        using KvCache cache = model.CreateCache(ids.Length + 1, ids.Length + 1);
        ForwardBatch batch = new();
        batch.Add(cache, 0, ids);
        Tensor states = model.Trunk(batch, wantBeforeNorm: false, out _);
        Tensor logits = model.Logits(states, 0, ids.Length);
        Near(states, golden.Singles($"{prompt}.normed"), "normed");
        Near(logits, golden.Singles($"{prompt}.logits"), "logits");
    }

    [Theory]
    [MemberData(nameof(Prompts))]
    public void Greedy_and_speculative_continuations_are_the_references(string device, string folder, string prompt)
    {
        GoldenTensors golden = GoldenTensors.Load("models", folder, "expected.safetensors");
        int[] ids = golden.Integers($"{prompt}.ids"), want = golden.Integers($"{prompt}.greedy");
        using Mellum mellum = Load(device, folder);
        int count = TestDevices.IsEmulator(device) ? EmulatedTokens : want.Length;
        Assert.Equal(want[..count], Generate(mellum.Model, ids, count, SpeculationOptions.Off));
        if (mellum.Model.HasMtp)
            Assert.Equal(want[..count], Generate(mellum.Model, ids, count, new SpeculationOptions(DraftKind.Mtp, 2)));
    }

    private static Mellum Load(string device, string folder) =>
        Mellum.Load(GoldenFolder.Find("models", folder), new MellumOptions { Device = device });

    private static int[] Generate(MellumModel model, int[] prompt, int count, SpeculationOptions speculation)
    {
        using TokenDecoder decoder = new(model, new DecoderOptions
        {
            Context = Math.Min(prompt.Length + count, model.Configuration.MaximumPositions),
            Sampler = StandardSampler.Create(SamplerOptions.Greedy, model.Configuration.VocabularySize),
            Speculation = speculation,
        });
        decoder.Prefill(prompt);
        List<int> tokens = [];
        while (tokens.Count < count && decoder.TryNext(out GeneratedToken token))
            tokens.Add(token.Id);
        return [.. tokens];
    }

    private static void Near(Tensor got, float[] want, string what)
    {
        float[] values = new float[got.Count];
        got.Read<float>(values);
        double error = GoldenTensors.RelativeError(values, want);
        Assert.True(error <= Tolerance, $"{what}: relative error {error:G3} is above {Tolerance:G3}");
    }
}
