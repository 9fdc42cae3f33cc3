using Mellum2.Managed.Model;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Gpu.Tests;

/// <summary>The small trained checkpoint on every device but the emulator, which is too slow for it.</summary>
public sealed class MiniGoldenTests
{
    // The goldens' README: relative L2 error of logits.
    private const double Tolerance = 2e-5;
    private const string Folder = "mini";

    public static IEnumerable<object[]> Prompts() =>
        from device in DeviceModels.FastNames
        from prompt in DeviceModels.Prompts(Folder)
        select new object[] { device, prompt };

    [Theory]
    [MemberData(nameof(Prompts))]
    public void Logits_and_continuations_are_the_references(string device, string prompt)
    {
        GoldenTensors golden = DeviceModels.Goldens(Folder);
        int[] ids = golden.Integers($"{prompt}.ids"), greedy = golden.Integers($"{prompt}.greedy");
        MellumModel model = DeviceModels.Get(device, Folder);
        using KvCache cache = model.CreateCache(ids.Length + 1, ids.Length + 1);
        ForwardBatch batch = new();
        batch.Add(cache, 0, ids);
        Tensor states = model.Trunk(batch, wantBeforeNorm: true, out Tensor? before);
        LastRows(model.Logits(states, 0, ids.Length), golden.Singles($"{prompt}.logits"), "logits");

        // Row i of the head takes state i and token i + 1.
        Tensor source = model.Configuration.MtpTakesNormedState ? states : before!;
        using Tensor rows = Tensor.Allocate(DType.F32, new Shape(ids.Length - 1, source.Columns), model.Context.Kernels.Device);
        model.Context.Kernels.CopyRows(source, 0, rows);
        batch.Clear();
        batch.Add(cache, 0, ids.AsSpan(1));
        LastRows(model.Logits(model.Mtp(batch, rows), 0, ids.Length - 1), golden.Singles($"{prompt}.mtp_logits"), "MTP logits");

        Assert.Equal(greedy, DeviceModels.Generate(model, ids, greedy.Length, SpeculationOptions.Off));
        foreach (DraftKind kind in (DraftKind[])[DraftKind.Mtp, DraftKind.Lookup])
            Assert.Equal(greedy, DeviceModels.Generate(model, ids, greedy.Length, new SpeculationOptions(kind, 3)));
    }

    private static void LastRows(Tensor got, float[] want, string what)
    {
        float[] values = new float[want.Length];
        got.Read<float>(values, got.Count - want.Length);
        DeviceModels.Near(values, want, Tolerance, what);
    }
}
