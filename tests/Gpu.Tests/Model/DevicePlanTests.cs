using Mellum2.Managed.Model;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Gpu.Tests;

/// <summary>What is planned for a device is what it then takes, or a little more.</summary>
public sealed class DevicePlanTests
{
    private const int EmulatedRows = 4;

    [Theory]
    [MemberData(nameof(DeviceModels.Cases), MemberType = typeof(DeviceModels))]
    public void Weights_are_planned_exactly_and_a_run_within_three_tenths(string name, string folder)
    {
        using Mellum mellum = Mellum.Load(GoldenFolder.Find(folder.Split('/')), new MellumOptions { Device = name });
        MellumModel model = mellum.Model;
        ModelConfiguration configuration = model.Configuration;
        GpuDevice device = (GpuDevice)model.Context.Kernels.Device;
        using Checkpoint checkpoint = Checkpoint.Open(GoldenFolder.Find(folder.Split('/')));
        long weights = DevicePlan.WeightBytes(configuration, model.HasMtp, checkpoint.FormatOf, checkpoint.HasBlockScales);
        Assert.Equal(device.AllocatedBytes, weights);
        // While its last block of experts is put together a model has all of them once more.
        long loading = DevicePlan.Loading(device.Description, configuration, model.HasMtp, checkpoint.FormatOf, checkpoint.HasBlockScales).Total;
        Assert.InRange(device.PeakBytes, weights, loading);

        int rows = TestDevices.IsEmulator(name) ? EmulatedRows : 200, context = TestDevices.IsEmulator(name) ? 16 : configuration.MaximumPositions / 2;
        using TokenDecoder decoder = new(model, new DecoderOptions
        {
            Context = Math.Min(context, 4000),
            Chunk = rows,
            Sampler = StandardSampler.Create(SamplerOptions.Greedy, configuration.VocabularySize),
            Speculation = model.HasMtp ? new SpeculationOptions(DraftKind.Mtp, 3) : SpeculationOptions.Off,
        });
        decoder.Prefill(new int[Math.Min(rows, context - 8)]);
        Assert.True(decoder.TryNext(out _) && decoder.TryNext(out _));
        // Passes of other sizes have activations of their own.
        for (int length = 1; length <= Math.Min(rows, context - 8) && !TestDevices.IsEmulator(name); length += length < 40 ? 7 : 19)
            decoder.Prefill([.. Enumerable.Repeat(length, length)]);
        long planned = weights + DevicePlan.Running(
            configuration, model.HasMtp, model.CacheFormat, decoder.Cache.Plan.Context, decoder.Cache.Plan.Chunk, 4).Sum(part => part.Bytes);
        Assert.InRange(device.PeakBytes, (long)(planned / 1.3), Math.Max(planned, loading));
    }

    [Fact]
    public void Weights_of_FP8_are_planned_exactly_with_the_scales_that_they_have()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("mellum2-gpu-");
        try
        {
            string source = GoldenFolder.Find("models", "wide"), converted = Path.Combine(folder.FullName, "fp8");
            CheckpointConverter.Convert(source, converted, new ConversionOptions(DType.F8E4M3));
            ModelConfiguration configuration = ModelConfiguration.Load(converted);
            using Checkpoint checkpoint = Checkpoint.Open(converted);
            bool withMtp = checkpoint.HasMtp(configuration);
            Assert.Contains(configuration.ExpectedTensors(withMtp), tensor => checkpoint.HasBlockScales(tensor.Name));
            foreach (bool inBlocks in new[] { true, false })
            {
                using GpuDevice device = GpuDevices.Open("emulator");
                using GpuKernels kernels = new(device);
                IWeightSource weights = inBlocks ? checkpoint : new ScaledAsAWhole(checkpoint);
                Func<string, bool> hasBlockScales = inBlocks ? checkpoint.HasBlockScales : _ => false;
                using ModelWeights loaded = new WeightLoader(configuration, weights, kernels).Load(withMtp);
                Assert.Equal(device.AllocatedBytes, DevicePlan.WeightBytes(configuration, withMtp, checkpoint.FormatOf, hasBlockScales));
                // The same as in memory of the process, but for padding and scales.
                Assert.InRange(device.AllocatedBytes, checkpoint.ByteLength * 9 / 10, checkpoint.ByteLength * 11 / 10);
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>A checkpoint whose FP8 matrices have one factor each.</summary>
    private sealed class ScaledAsAWhole(Checkpoint checkpoint) : IWeightSource
    {
        public WeightMatrix OpenMatrix(string name, int rows, int columns)
        {
            WeightMatrix matrix = checkpoint.OpenMatrix(name, rows, columns);
            if (matrix.Scales is null)
                return matrix;
            matrix.Scales.Values.Dispose();
            return WeightMatrix.RowMajor(name, matrix.Data, new WeightScales(ScaleKind.Tensor, Tensor.From<float>(DType.F32, new Shape(1), [0.5f])));
        }

        public Tensor OpenVector(string name, int length) => checkpoint.OpenVector(name, length);
    }

    [Fact]
    public void A_model_that_does_not_fit_is_refused_before_anything_is_allocated()
    {
        ModelConfiguration configuration = ModelConfiguration.Load(GoldenFolder.Find("models", "tiny"));
        GpuDescription small = new(GpuKind.Cuda, 0, "Small", 1000, "CUDA 12.4", "compute capability 8.0", null);
        string message = Assert.Throws<InvalidInputException>(
            () => DevicePlan.Loading(small, configuration, true, _ => DType.F32).Check()).Message;
        Assert.Contains("cuda:0 (Small)", message, StringComparison.Ordinal);
        Assert.Contains("experts", message, StringComparison.Ordinal);
    }
}
