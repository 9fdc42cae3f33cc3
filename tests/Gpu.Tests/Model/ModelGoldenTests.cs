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
        MellumModel model = DeviceModels.Get(device, "models/" + folder);
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
        MellumModel model = DeviceModels.Get(device, "models/" + folder);
        int count = TestDevices.IsEmulator(device) ? EmulatedTokens : want.Length;
        Assert.Equal(want[..count], DeviceModels.Generate(model, ids, count, SpeculationOptions.Off));
        if (model.HasMtp)
            Assert.Equal(want[..count], DeviceModels.Generate(model, ids, count, new SpeculationOptions(DraftKind.Mtp, 2)));
    }

    public static IEnumerable<object[]> LongPrompts() =>
        from device in DeviceModels.FastNames
        from folder in Directory.GetDirectories(GoldenFolder.Find("models")).Select(Path.GetFileName)
        from chunk in new[] { 100, 2000 }
        select new object[] { device, folder, chunk };

    /// <summary>
    /// 240 to 1,200 tokens: many windows, so that passes of 100 go round the sliding layers' rings, and in the longest three
    /// ranges of 512 keys that attention walks apart.
    /// </summary>
    [Theory]
    [MemberData(nameof(LongPrompts))]
    public void Long_prompts_are_the_references(string device, string folder, int chunk)
    {
        GoldenTensors golden = GoldenTensors.Load("models", folder, "expected.safetensors");
        int[] ids = golden.Integers("long.ids"), want = golden.Integers("long.greedy");
        float[] lastRows = golden.Singles("long.logits");
        MellumModel model = DeviceModels.Get(device, "models/" + folder);
        float[] logits = DeviceModels.Logits(
            model, [ids], ids.Chunk(chunk).Select(pass => new[] { pass.Length }), Math.Min(chunk, ids.Length))[0];
        DeviceModels.Near(logits.AsSpan(logits.Length - lastRows.Length), lastRows, Tolerance, "logits");
        Assert.Equal(want, DeviceModels.Generate(model, ids, want.Length, SpeculationOptions.Off, chunk));
        if (model.HasMtp)
            Assert.Equal(want, DeviceModels.Generate(model, ids, want.Length, new SpeculationOptions(DraftKind.Mtp, 3), chunk));
    }

    private static void Near(Tensor got, float[] want, string what)
    {
        float[] values = new float[got.Count];
        got.Read<float>(values);
        DeviceModels.Near(values, want, Tolerance, what);
    }
}
