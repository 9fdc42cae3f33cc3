using System.Globalization;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Gpu.Tests;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.GpuCheck;

/// <summary>The golden checkpoints: logits of the reference implementation, and the tokens of it and of the processor's kernels.</summary>
internal static class ModelChecks
{
    private const string Section = "Golden models";

    // The goldens' README: relative L2 error of logits for a float32 engine. Tensor cores take activations in two BF16 numbers, which
    // simulated on PoCL gives up to 1.3e-5, and real ones truncate besides.
    private const double Tolerance = 2e-5;
    private const double TensorCoreTolerance = 5e-5;

    // What the emulator does of the smallest checkpoint in seconds.
    private const string EmulatedPrompt = "p0";
    private const int EmulatedTokens = 2;

    public static IEnumerable<Check> All(CheckedDevice device)
    {
        foreach (string folder in Folders(device))
        {
            foreach (MatrixUnits units in device.ModelUnits)
            {
                string name = NameOf(folder, units);
                yield return new(Section, $"{name}: logits", checkedDevice => Logits(checkedDevice, folder, units));
                yield return new(Section, $"{name}: greedy and speculative tokens", checkedDevice => Tokens(checkedDevice, folder, units));
            }
        }
    }

    /// <summary>The checkpoints that a device is fast enough for.</summary>
    public static IReadOnlyList<string> Folders(CheckedDevice device) => device.IsEmulated ? [GoldenFiles.All[0]] : GoldenFiles.All;

    /// <summary>A checkpoint and what it is multiplied with, in words.</summary>
    public static string NameOf(string folder, MatrixUnits units) =>
        $"{Path.GetFileName(folder)}, {(units == MatrixUnits.None ? "float32 arithmetic" : "tensor cores")}";

    private static IEnumerable<string> Prompts(CheckedDevice device, GoldenTensors golden) => device.IsEmulated
        ? [EmulatedPrompt]
        : golden.Names.Where(name => name.EndsWith(".greedy", StringComparison.Ordinal)).Select(name => name[..name.IndexOf('.', StringComparison.Ordinal)])
            .Where(prompt => prompt.StartsWith('p') || device.Extent == Extent.Full).Order(StringComparer.Ordinal);

    private static Outcome Logits(CheckedDevice device, string folder, MatrixUnits units)
    {
        GoldenTensors golden = device.Goldens.Expected(folder);
        MellumModel model = device.Model(folder, units);
        double allowed = units == MatrixUnits.None ? Tolerance : TensorCoreTolerance, largest = 0;
        int count = 0;
        foreach (string prompt in Prompts(device, golden))
        {
            device.Cancel.ThrowIfCancellationRequested();
            foreach ((string what, double error) in Errors(model, golden, prompt))
            {
                if (!(error <= allowed))
                    return Outcome.Failed(string.Create(CultureInfo.InvariantCulture, $"{prompt}: the relative error of the {what} is {error:G3}, and {allowed:G3} is allowed"));
                largest = Math.Max(largest, error);
                count++;
            }
        }
        return Outcome.Passed(string.Create(CultureInfo.InvariantCulture, $"{count} comparisons, relative L2 error up to {largest:G2} of {allowed:G2}"));
    }

    /// <summary>The relative errors of the last rows, as many as the golden has, of trunk and MTP head.</summary>
    private static IEnumerable<(string What, double Error)> Errors(MellumModel model, GoldenTensors golden, string prompt)
    {
        int[] ids = golden.Integers($"{prompt}.ids");
        IWorkspace workspace = model.Context.Workspace;
        using KvCache cache = model.CreateCache(ids.Length + 1, ids.Length + 1);
        ForwardBatch batch = new();
        batch.Add(cache, 0, ids);
        Tensor states = model.Trunk(batch, wantBeforeNorm: true, out Tensor? before);
        yield return ("logits", LastRows(model, model.Logits(states, 0, ids.Length), golden.Singles($"{prompt}.logits")));
        if (model.HasMtp && golden.Has($"{prompt}.mtp_logits"))
        {
            // Row i of the head takes state i and token i + 1.
            Tensor source = model.Configuration.MtpTakesNormedState ? states : before!;
            using Tensor rows = Tensor.Allocate(DType.F32, new Shape(ids.Length - 1, source.Columns), model.Context.Kernels.Device);
            model.Context.Kernels.CopyRows(source, 0, rows);
            batch.Clear();
            batch.Add(cache, 0, ids.AsSpan(1));
            Tensor drafted = model.Mtp(batch, rows);
            yield return ("MTP logits", LastRows(model, model.Logits(drafted, 0, ids.Length - 1), golden.Singles($"{prompt}.mtp_logits")));
            workspace.Release(drafted);
        }
        workspace.Release(states);
        if (before is not null)
            workspace.Release(before);
    }

    private static double LastRows(MellumModel model, Tensor logits, float[] want)
    {
        float[] got = new float[want.Length];
        logits.Read<float>(got, logits.Count - want.Length);
        model.Context.Workspace.Release(logits);
        return GoldenTensors.RelativeError(got, want);
    }

    private static Outcome Tokens(CheckedDevice device, string folder, MatrixUnits units)
    {
        GoldenTensors golden = device.Goldens.Expected(folder);
        MellumModel here = device.ModelOnProcessor(folder), there = device.Model(folder, units);
        SpeculationOptions[] ways =
        [
            SpeculationOptions.Off,
            .. here.HasMtp ? [new SpeculationOptions(DraftKind.Mtp, 2)] : (SpeculationOptions[])[],
            .. device.IsEmulated ? (SpeculationOptions[])[] : [new SpeculationOptions(DraftKind.Lookup, 3)],
        ];
        int count = 0;
        foreach (string prompt in Prompts(device, golden))
        {
            int[] ids = golden.Integers($"{prompt}.ids"), want = golden.Integers($"{prompt}.greedy");
            if (device.IsEmulated)
                want = want[..EmulatedTokens];
            foreach (SpeculationOptions way in ways)
            {
                device.Cancel.ThrowIfCancellationRequested();
                foreach ((string where, MellumModel model) in (ReadOnlySpan<(string, MellumModel)>)[("the processor", here), ("the device", there)])
                {
                    int[] got = DeviceModels.Generate(model, ids, want.Length, way);
                    int at = want.AsSpan().CommonPrefixLength(got);
                    if (at < want.Length)
                        return Outcome.Failed($"{prompt}, drafts by {way.Kind}: token {at} on {where} is {(at < got.Length ? got[at] : "missing")}, not {want[at]}");
                }
                count += want.Length;
            }
        }
        return Outcome.Passed($"{count} tokens, plain and with drafts, are those of the reference and of the processor's kernels");
    }
}
