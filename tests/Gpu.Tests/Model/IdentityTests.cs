using Mellum2.Managed.Model;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Gpu.Tests;

/// <summary>What does not depend on where a model runs, and what does not depend on how its rows are put into passes.</summary>
public sealed class IdentityTests
{
    private const int EmulatedTokens = 4;

    [Theory]
    [MemberData(nameof(DeviceModels.Cases), MemberType = typeof(DeviceModels))]
    public void A_device_generates_the_tokens_of_the_processor(string device, string folder)
    {
        GoldenTensors golden = DeviceModels.Goldens(folder);
        bool emulated = TestDevices.IsEmulator(device);
        MellumModel here = DeviceModels.Get("cpu", folder), there = DeviceModels.Get(device, folder);
        foreach (string prompt in emulated ? ["p1"] : DeviceModels.Prompts(folder))
        {
            int[] ids = golden.Integers($"{prompt}.ids");
            // As far as the golden goes: where it ends, two logits are too close for float32.
            int count = emulated ? EmulatedTokens : golden.Integers($"{prompt}.greedy").Length;
            int[] want = DeviceModels.Generate(here, ids, count, SpeculationOptions.Off);
            Assert.Equal(count, want.Length);
            // What the emulator gives without drafts and with those of the head is compared with the goldens.
            if (!emulated)
                Assert.Equal(want, DeviceModels.Generate(there, ids, count, SpeculationOptions.Off));
            foreach (DraftKind kind in here.HasMtp && !emulated ? (DraftKind[])[DraftKind.Mtp, DraftKind.Lookup] : [DraftKind.Lookup])
            {
                SpeculationOptions speculation = new(kind, 2);
                Assert.Equal(want, DeviceModels.Generate(here, ids, count, speculation));
                Assert.Equal(want, DeviceModels.Generate(there, ids, count, speculation));
            }
        }
    }

    [Theory]
    [MemberData(nameof(DeviceModels.Cases), MemberType = typeof(DeviceModels))]
    public void Logits_do_not_depend_on_passes_and_neighbours(string device, string folder)
    {
        bool emulated = TestDevices.IsEmulator(device);
        MellumModel model = DeviceModels.Get(device, folder);
        ModelConfiguration configuration = model.Configuration;
        Random random = new(folder.Length);
        // Longer than every window and, where the model has the positions, than one range of 512 keys.
        int longest = emulated ? 6 : Math.Min(configuration.MaximumPositions - 1, 560);
        int[][] prompts = [.. new[] { longest, emulated ? 2 : 70, emulated ? 1 : 33 }.Select(
            length => Enumerable.Range(0, length).Select(_ => random.Next(configuration.VocabularySize)).ToArray())];
        float[][] want = [.. prompts.Select(prompt => DeviceModels.Logits(model, [prompt], [[prompt.Length]], longest)[0])];
        for (int run = 0; run < (emulated ? 1 : 6); run++)
        {
            // Passes of a token, of a token and its drafts, of a tile and a bit, and of hundreds; any of the prompts in each.
            int most = emulated ? 4 : new[] { 3, 9, 20, 64, 200, longest }[run];
            float[][] got = DeviceModels.Logits(model, prompts, DeviceModels.Split(prompts, most, random), most);
            for (int i = 0; i < prompts.Length; i++)
                Same(want[i], got[i], $"prompt {i} in passes of up to {most} rows");
        }
        // The same again, alone: two runs.
        float[] again = DeviceModels.Logits(model, [prompts[0]], [[longest]], longest)[0];
        Same(want[0], again, "a second run");
    }

    private static void Same(float[] want, float[] got, string what)
    {
        int at = want.AsSpan().CommonPrefixLength(got);
        if (at < want.Length)
            Assert.Fail($"{what}: logit {at} is {got[at]:R}, not {want[at]:R}.");
    }
}
