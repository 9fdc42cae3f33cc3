using FsCheck.Xunit;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Xunit;

namespace Mellum2.Managed.Model.Tests;

public sealed class CheckpointConverterTests
{
    [Fact]
    public void The_head_becomes_FP8_when_asked()
    {
        using TemporaryFolder folder = new();
        SmallCheckpoint.Write(folder.Combine("a"), SmallCheckpoint.Configuration);

        CheckpointConverter.Convert(folder.Combine("a"), folder.Combine("b"), new ConversionOptions(DType.F8E4M3, Fp8Head: true));

        using Checkpoint checkpoint = Checkpoint.Open(folder.Combine("b"));
        Assert.Equal("F8_E4M3", checkpoint.Find("lm_head.weight").Stored.Format);
        Assert.True(checkpoint.Validate(ModelConfiguration.Load(folder.Combine("b"))));
    }

    [Fact]
    public void FP8_converts_back_to_the_products_of_codes_and_scales()
    {
        using TemporaryFolder folder = new();
        ModelConfiguration configuration = SmallCheckpoint.Configuration;
        SmallCheckpoint.Write(folder.Combine("a"), configuration);
        CheckpointConverter.Convert(folder.Combine("a"), folder.Combine("b"), new ConversionOptions(DType.F8E4M3));

        CheckpointConverter.Convert(folder.Combine("b"), folder.Combine("c"), new ConversionOptions(DType.F32));

        using Checkpoint fp8 = Checkpoint.Open(folder.Combine("b"));
        using Checkpoint plain = Checkpoint.Open(folder.Combine("c"));
        foreach (ExpectedTensor tensor in configuration.ExpectedTensors(withMtp: true).Where(tensor => tensor.Shape.Rank == 2))
        {
            using WeightMatrix before = fp8.OpenMatrix(tensor.Name, tensor.Shape.Rows, tensor.Shape.Columns);
            using WeightMatrix after = plain.OpenMatrix(tensor.Name, tensor.Shape.Rows, tensor.Shape.Columns);
            for (int row = 0; row < before.Rows; row++)
                for (int column = 0; column < before.Columns; column++)
                    Assert.Equal(before.At(row, column), after.At(row, column));
        }
        Assert.Null(ModelConfiguration.Load(folder.Combine("c")).Quantization);
    }

    [Fact]
    public void A_cancelled_conversion_leaves_nothing()
    {
        using TemporaryFolder folder = new();
        SmallCheckpoint.Write(folder.Combine("a"), SmallCheckpoint.Configuration);
        int total = SmallCheckpoint.Declarations(SmallCheckpoint.Configuration).Count;
        foreach (int stopAfter in (int[])[0, 1, total / 2, total])
        {
            using CancellationTokenSource cancellation = new();
            if (stopAfter == 0)
                cancellation.Cancel();
            int reports = 0;
            CountingProgress progress = new(_ =>
            {
                if (++reports == stopAfter)
                    cancellation.Cancel();
            });

            Assert.ThrowsAny<OperationCanceledException>(() =>
                CheckpointConverter.Convert(folder.Combine("a"), folder.Combine("b"), new ConversionOptions(DType.BF16, ShardBytes: 100_000), progress, cancellation.Token));

            Assert.Equal([folder.Combine("a")], Directory.GetFileSystemEntries(folder.Root));
        }
    }

    [Fact]
    public void Progress_rises_to_the_size_of_the_source()
    {
        using TemporaryFolder folder = new();
        SmallCheckpoint.Write(folder.Combine("a"), SmallCheckpoint.Configuration);
        List<ConversionProgress> reports = [];

        CheckpointConverter.Convert(folder.Combine("a"), folder.Combine("b"), new ConversionOptions(DType.BF16), new CountingProgress(reports.Add));

        Assert.Equal(reports.Select(report => report.BytesDone).Order(), reports.Select(report => report.BytesDone));
        Assert.All(reports, report => Assert.Equal(SmallCheckpoint.Declarations(SmallCheckpoint.Configuration).Sum(t => t.ByteLength), report.BytesTotal));
        Assert.Equal(reports[^1].BytesTotal, reports[^1].BytesDone);
    }

    [Fact]
    public void A_target_with_files_is_refused_and_an_empty_one_used()
    {
        using TemporaryFolder folder = new();
        SmallCheckpoint.Write(folder.Combine("a"), SmallCheckpoint.Configuration);
        Directory.CreateDirectory(folder.Combine("b"));
        File.WriteAllText(folder.Combine("b", "mine"), "");
        Directory.CreateDirectory(folder.Combine("c.partial"));
        File.WriteAllText(folder.Combine("c.partial", "mine"), "");
        Directory.CreateDirectory(folder.Combine("d"));

        void Convert(string name) => CheckpointConverter.Convert(folder.Combine("a"), folder.Combine(name), new ConversionOptions(DType.BF16));

        Assert.Throws<InvalidInputException>(() => Convert("b"));
        Assert.Throws<InvalidInputException>(() => Convert("c"));
        Assert.True(File.Exists(folder.Combine("b", "mine")) && File.Exists(folder.Combine("c.partial", "mine")));
        Convert("d");
        Assert.True(File.Exists(folder.Combine("d", "model.safetensors")));
    }

    [Fact]
    public void What_a_killed_conversion_left_is_replaced_but_a_running_one_is_not_disturbed()
    {
        using TemporaryFolder folder = new();
        SmallCheckpoint.Write(folder.Combine("a"), SmallCheckpoint.Configuration);
        Directory.CreateDirectory(folder.Combine("b.partial"));
        File.WriteAllText(folder.Combine("b.partial", ".lock"), "");
        File.WriteAllText(folder.Combine("b.partial", "model.safetensors"), "half");

        void Convert() => CheckpointConverter.Convert(folder.Combine("a"), folder.Combine("b"), new ConversionOptions(DType.BF16));

        using (new FileStream(folder.Combine("b.partial", ".lock"), FileMode.Open, FileAccess.ReadWrite, FileShare.None))
            Assert.Throws<InvalidInputException>(Convert);
        Assert.Equal("half", File.ReadAllText(folder.Combine("b.partial", "model.safetensors")));
        Convert();
        Assert.False(Directory.Exists(folder.Combine("b.partial")));
        Assert.False(File.Exists(folder.Combine("b", ".lock")));
    }

    [Theory]
    [InlineData(DType.F16, 65520f)]
    [InlineData(DType.BF16, float.MaxValue)]
    [InlineData(DType.F8E4M3, float.NaN)]
    [InlineData(DType.F32, float.PositiveInfinity)]
    public void A_weight_that_does_not_fit_is_named(DType type, float value)
    {
        using TemporaryFolder folder = new();
        SmallCheckpoint.Write(folder.Combine("a"), SmallCheckpoint.Configuration);
        const string name = "model.layers.2.self_attn.o_proj.weight";
        long offset;
        using (Checkpoint checkpoint = Checkpoint.Open(folder.Combine("a")))
            offset = checkpoint.Find(name).Stored.Offset + 4 * 1000;
        using (FileStream stream = new(folder.Combine("a", "model.safetensors"), FileMode.Open))
        {
            stream.Position = offset;
            stream.Write(BitConverter.GetBytes(value));
        }

        InvalidInputException error = Assert.Throws<InvalidInputException>(() =>
            CheckpointConverter.Convert(folder.Combine("a"), folder.Combine("b"), new ConversionOptions(type)));

        Assert.Contains(name, error.Message, StringComparison.Ordinal);
        Assert.Equal([folder.Combine("a")], Directory.GetFileSystemEntries(folder.Root));
    }

    [Property(MaxTest = 300)]
    public void Vector_conversions_equal_the_scalar_ones(int seed)
    {
        Random random = new(seed);
        float[] values = new float[random.Next(200)];
        for (int i = 0; i < values.Length; i++)
            values[i] = Finite(random);
        float scale = MathF.Abs(Finite(random)) + 1e-30f;
        byte[] codes = new byte[values.Length], halves = new byte[2 * values.Length];

        FormatConversion.ToE4M3(values, scale, codes);
        FormatConversion.FromSingle(DType.BF16, values, halves);
        float[] decoded = new float[values.Length];
        FormatConversion.ToSingle(DType.BF16, halves, decoded);

        Assert.Equal(values.Select(value => Float8E4M3.FromSingle(value / scale).Bits), codes);
        Assert.Equal(values.Select(value => BFloat16.FromSingle(value).Bits), Enumerable.Range(0, values.Length).Select(i => BitConverter.ToUInt16(halves, 2 * i)));
        Assert.Equal(values.Select(value => BFloat16.FromSingle(value).ToSingle()), decoded);
        Assert.Equal(values.Select(MathF.Abs).DefaultIfEmpty().Max(), BitConverter.UInt32BitsToSingle(FormatConversion.MaxMagnitude(values)));
    }

    [Property(MaxTest = 300)]
    public void Vector_conversions_to_F16_equal_the_scalar_ones(int seed)
    {
        Random random = new(seed);
        float[] values = [.. Enumerable.Range(0, random.Next(100)).Select(_ => Math.Clamp(Finite(random), -65500, 65500) * MathF.Pow(2, random.Next(-20, 1)))];
        byte[] halves = new byte[2 * values.Length];

        FormatConversion.FromSingle(DType.F16, values, halves);

        Assert.Equal(values.Select(Float16.FromSingle), Enumerable.Range(0, values.Length).Select(i => BitConverter.ToUInt16(halves, 2 * i)));
    }

    [Theory]
    [InlineData(DType.F16, 65536)]
    [InlineData(DType.BF16, 65536)]
    [InlineData(DType.F8E4M3, 256)]
    [InlineData(DType.F8E5M2, 256)]
    public void Every_code_decodes_as_the_scalar_does(DType type, int codes)
    {
        byte[] bytes = [.. Enumerable.Range(0, codes).SelectMany(code => codes == 256 ? [(byte)code] : BitConverter.GetBytes((ushort)code))];
        float[] decoded = new float[codes];

        FormatConversion.ToSingle(type, bytes, decoded);

        for (int code = 0; code < codes; code++)
            Assert.Equal(
                BitConverter.SingleToUInt32Bits(type switch
                {
                    DType.F16 => Float16.ToSingle((ushort)code),
                    DType.BF16 => new BFloat16((ushort)code).ToSingle(),
                    DType.F8E4M3 => new Float8E4M3((byte)code).ToSingle(),
                    _ => new Float8E5M2((byte)code).ToSingle(),
                }),
                BitConverter.SingleToUInt32Bits(decoded[code]));
    }

    [Fact]
    public void A_block_of_tiny_weights_keeps_a_normal_scale()
    {
        using TemporaryFolder folder = new();
        ModelConfiguration configuration = SmallCheckpoint.Configuration;
        SmallCheckpoint.Write(folder.Combine("a"), configuration);
        const string name = "model.layers.0.self_attn.k_proj.weight";
        using (Checkpoint checkpoint = Checkpoint.Open(folder.Combine("a")))
        {
            SafetensorsTensor stored = checkpoint.Find(name).Stored;
            byte[] tiny = [.. Enumerable.Range(0, (int)stored.Count).SelectMany(i => BitConverter.GetBytes(i % 100 * 1e-40f))];
            using FileStream stream = new(folder.Combine("a", "model.safetensors"), FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
            stream.Position = stored.Offset;
            stream.Write(tiny);
        }

        CheckpointConverter.Convert(folder.Combine("a"), folder.Combine("b"), new ConversionOptions(DType.F8E4M3));

        using Checkpoint before = Checkpoint.Open(folder.Combine("a")), after = Checkpoint.Open(folder.Combine("b"));
        using WeightMatrix expected = before.OpenMatrix(name, configuration.KeyValueSize, configuration.HiddenSize);
        using WeightMatrix actual = after.OpenMatrix(name, configuration.KeyValueSize, configuration.HiddenSize);
        Assert.True(float.IsNormal(actual.Scales!.At(0, 0)));
        for (int column = 0; column < expected.Columns; column++) // codes near 1 are steps of 2^-4 apart, in units of the scale 2^-126
            Assert.InRange(actual.At(0, column) - expected.At(0, column), -4e-40f, 4e-40f);
    }

    private static float Finite(Random random)
    {
        if (random.Next(3) > 0) // near the range of FP8, where rounding and saturation happen
            return (random.NextSingle() - 0.5f) * MathF.Pow(2, random.Next(-14, 12));
        float value = BitConverter.UInt32BitsToSingle((uint)random.NextInt64(1L << 32));
        return float.IsFinite(value) && MathF.Abs(value) < 1e30f ? value : 0;
    }

    private sealed class CountingProgress(Action<ConversionProgress> report) : IProgress<ConversionProgress>
    {
        public void Report(ConversionProgress value) => report(value);
    }
}
