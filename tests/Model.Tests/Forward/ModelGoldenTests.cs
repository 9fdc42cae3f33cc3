using System.Text.Json;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Model.Tests;

/// <summary>
/// The tiny checkpoints against what the reference implementation computes with them: states per layer, router choices,
/// logits, continuations, the MTP head. Every folder below <c>tests/golden/models</c> is run.
/// </summary>
[Collection(ModelCollection.Name)]
public sealed class ModelGoldenTests
{
    // The goldens' README: relative L2 error of states and logits for a float32 engine; choices are exact.
    private const double Tolerance = 2e-5;

    public static IEnumerable<object[]> Prompts()
    {
        foreach (string folder in Directory.GetDirectories(GoldenFolder.Find("models")))
        {
            using JsonDocument expected = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "expected.json")));
            foreach (JsonElement prompt in expected.RootElement.GetProperty("prompts").EnumerateArray())
                foreach (string backEnd in TestModels.BackEnds)
                    yield return [Path.GetFileName(folder), prompt.GetProperty("prefix").GetString()!, backEnd];
        }
    }

    public static IEnumerable<object[]> Models() =>
        from folder in Directory.GetDirectories(GoldenFolder.Find("models"))
        from backEnd in TestModels.BackEnds
        select new object[] { Path.GetFileName(folder), backEnd };

    [Theory]
    [MemberData(nameof(Prompts))]
    public void States_router_choices_and_logits_are_the_references(string folder, string prompt, string backEnd)
    {
        GoldenTensors golden = GoldenTensors.Load("models", folder, "expected.safetensors");
        MellumModel model = TestModels.Get($"models/{folder}", backEnd).Model;
        int[] ids = golden.Integers($"{prompt}.ids");
        ForwardRun run = ForwardRun.Of(model, ids);

        float[] layers = golden.Singles($"{prompt}.layers");
        int size = ids.Length * model.Configuration.HiddenSize;
        for (int l = 0; l < model.Configuration.LayerCount; l++)
            Near(run.Layers[l], layers.AsSpan(l * size, size), $"layer {l}");
        Near(run.NormedStates, golden.Singles($"{prompt}.normed"), "normed");
        Near(run.LogitValues, golden.Singles($"{prompt}.logits"), "logits");
        int routers = 0;
        for (int l = 0; l < model.Configuration.LayerCount; l++)
        {
            if (!golden.Has($"{prompt}.router{l}.probs"))
                continue;
            routers++;
            Assert.Equal(golden.Integers($"{prompt}.router{l}.experts"), run.Routers[l].Experts);
            Near(run.Routers[l].Probabilities, golden.Singles($"{prompt}.router{l}.probs"), $"router {l} probabilities");
            Near(run.Routers[l].Weights, golden.Singles($"{prompt}.router{l}.weights"), $"router {l} weights");
        }
        Assert.Equal(model.Configuration.MlpLayerTypes.Count(kind => kind == MlpKind.Sparse), routers);
    }

    [Theory]
    [MemberData(nameof(Prompts))]
    public void The_mtp_head_computes_the_references_states_and_logits(string folder, string prompt, string backEnd)
    {
        GoldenTensors golden = GoldenTensors.Load("models", folder, "expected.safetensors");
        MellumModel model = TestModels.Get($"models/{folder}", backEnd).Model;
        ForwardRun run = ForwardRun.Of(model, golden.Integers($"{prompt}.ids"));
        Assert.Equal(golden.Has($"{prompt}.mtp_logits"), run.MtpLogits.Length > 0);
        if (run.MtpLogits.Length == 0)
            return;
        Near(run.MtpStates, golden.Singles($"{prompt}.mtp_state"), "MTP state");
        Near(run.MtpLogits, golden.Singles($"{prompt}.mtp_logits"), "MTP logits");
    }

    [Theory]
    [MemberData(nameof(Prompts))]
    public void Greedy_continuations_are_the_references(string folder, string prompt, string backEnd)
    {
        GoldenTensors golden = GoldenTensors.Load("models", folder, "expected.safetensors");
        MellumModel model = TestModels.Get($"models/{folder}", backEnd).Model;
        int[] want = golden.Integers($"{prompt}.greedy");
        Assert.Equal(want, Decoding.Greedy(model, golden.Integers($"{prompt}.ids"), want.Length));
    }

    [Theory]
    [MemberData(nameof(Prompts))]
    public void Recursive_drafts_are_the_references(string folder, string prompt, string backEnd)
    {
        GoldenTensors golden = GoldenTensors.Load("models", folder, "expected.safetensors");
        MellumModel model = TestModels.Get($"models/{folder}", backEnd).Model;
        Assert.Equal(model.HasMtp, golden.Has($"{prompt}.drafts"));
        if (!model.HasMtp)
            return;
        int[] want = golden.Integers($"{prompt}.drafts");
        Assert.Equal(want, Decoding.FirstDrafts(model, golden.Integers($"{prompt}.ids"), want.Length));
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void A_long_prompt_gives_the_references_last_logits_and_continuation(string folder, string backEnd)
    {
        GoldenTensors golden = GoldenTensors.Load("models", folder, "expected.safetensors");
        MellumModel model = TestModels.Get($"models/{folder}", backEnd).Model;
        int[] ids = golden.Integers("long.ids"), want = golden.Integers("long.greedy");
        float[] logits = golden.Singles("long.logits");
        ForwardRun run = ForwardRun.Of(model, ids);
        Near(run.LogitValues.AsSpan(run.LogitValues.Length - logits.Length), logits, "long logits");
        Assert.Equal(want, Decoding.Greedy(model, ids, want.Length, chunk: 100));
    }

    private static void Near(ReadOnlySpan<float> got, ReadOnlySpan<float> want, string what)
    {
        double error = GoldenTensors.RelativeError(got, want);
        Assert.True(error <= Tolerance, $"{what}: relative error {error:G3} is above {Tolerance:G3}");
    }
}
