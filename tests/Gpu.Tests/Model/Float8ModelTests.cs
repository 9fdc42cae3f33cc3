using Mellum2.Managed.Model;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Gpu.Tests;

/// <summary>Golden checkpoints that have been converted to FP8, with activations in 8 bits too, on the processor and on the devices.</summary>
public sealed class Float8ModelTests
{
    private const int EmulatedTokens = 2;

    // Sums differ by 10⁻⁶ or so between back ends. An activation between two codes may then become either, an eighth apart at most;
    // that is rare, and shows in all logits.
    private const double Tolerance = 0.005;

    [Theory]
    [MemberData(nameof(DeviceModels.Cases), MemberType = typeof(DeviceModels))]
    public void Logits_are_those_of_the_processor_by_decoded_values_and_by_FP8_instructions(string device, string name)
    {
        string folder = Directory.CreateTempSubdirectory("mellum2-fp8-").FullName;
        try
        {
            string converted = Path.Combine(folder, "fp8");
            CheckpointConverter.Convert(GoldenFolder.Find(name.Split('/')), converted, new ConversionOptions(DType.F8E4M3));
            int[] prompt = DeviceModels.Goldens(name).Integers("p1.ids");
            if (TestDevices.IsEmulator(device))
                prompt = prompt[..Math.Min(prompt.Length, EmulatedTokens)];
            MellumOptions options = new() { Products = ProductPrecision.FP8, LoadMtp = false };
            using Mellum plain = Mellum.Load(converted), here = Mellum.Load(converted, options);
            using Mellum exact = Mellum.Load(converted, options with { Reference = true });
            using Mellum there = Mellum.Load(converted, options with { Device = device });
            Assert.Contains("FP8 rows", there.Model.Context.Kernels.Description, StringComparison.Ordinal);
            float[] wide = Logits(plain.Model, prompt), want = Logits(here.Model, prompt);
            // Rounding to eight bits is what is seen, and everybody does it alike.
            Assert.True(GoldenTensors.RelativeError(want, wide) > 2 * Tolerance);
            DeviceModels.Near(Logits(exact.Model, prompt), want, Tolerance, "float64");
            DeviceModels.Near(Logits(there.Model, prompt), want, Tolerance, "decoded values");
            DeviceModels.Near(WithUnits(device, converted, prompt), want, Tolerance, "FP8 instructions");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // The instruction is simulated where the device has none.
    private static float[] WithUnits(string device, string folder, int[] prompt)
    {
        GpuKernels kernels = TestDevices.TensorCores(device);
        using PooledWorkspace workspace = new(kernels.Device.Allocate);
        Float8Kernels rounding = new(kernels, workspace);
        ModelConfiguration configuration = ModelConfiguration.Load(folder);
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        checkpoint.Validate(configuration);
        using MellumModel model = new(
            configuration, new WeightLoader(configuration, checkpoint, rounding).Load(withMtp: false), new ForwardContext(rounding, workspace));
        return Logits(model, prompt);
    }

    private static float[] Logits(MellumModel model, int[] prompt)
    {
        using KvCache cache = model.CreateCache(prompt.Length + 1, prompt.Length);
        ForwardBatch batch = new();
        batch.Add(cache, 0, prompt);
        Tensor states = model.Trunk(batch, wantBeforeNorm: false, out _), logits = model.Logits(states, 0, batch.Count);
        float[] values = new float[logits.Count];
        if (logits.Type == DType.F64)
            values = Array.ConvertAll(logits.Span<double>().ToArray(), value => (float)value);
        else
            logits.Read(values.AsSpan());
        model.Context.Workspace.Release(logits);
        model.Context.Workspace.Release(states);
        return values;
    }
}
