using System.Text.Json;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training.Runs.Tests;

/// <summary>A head is trained for a checkpoint whose trunk stays as it is stored: in memory, on the disk, byte for byte.</summary>
public sealed class MtpHeadRunTests
{
    [Theory]
    [InlineData(DType.BF16, 1_000_000_000, new string[0])]
    [InlineData(DType.BF16, 1_000_000, new[] { "precision=bf16" })]
    [InlineData(DType.F8E4M3, 1_000_000_000, new[] { "precision=fp8" })]
    [InlineData(DType.F8E4M3, 500_000, new string[0])]
    public void A_head_is_trained_beside_a_trunk_that_keeps_its_bytes(DType format, long shardBytes, string[] assignments)
    {
        using TestRun test = new();
        string source = Headless(test, format, shardBytes), whole = test.NewPath(), cut = test.NewPath();
        RunConfiguration run = Configuration(test, source, assignments);
        Watcher watcher = new();
        string checkpoint;
        using (Trainer trainer = Trainer.Start(run, whole, new TrainerOptions { Observer = watcher }))
        {
            Assert.All(trainer.Model.AllTensors, tensor => Assert.StartsWith("mtp.", tensor.Name, StringComparison.Ordinal));
            checkpoint = trainer.Run().LastCheckpoint;
            Assert.Equal(
                (trainer.Plan.Memory.Weights, trainer.Plan.Memory.RoundedWeights, trainer.Plan.Memory.Activations, trainer.Plan.Memory.Cache),
                (trainer.Model.WeightBytes, trainer.Model.RoundedWeightBytes, trainer.Model.ActivationBytes, trainer.Model.CacheBytes));
        }
        Assert.True(watcher.Steps[^1].Mtp < watcher.Steps[0].Mtp - 0.1, $"{watcher.Steps[0].Mtp} to {watcher.Steps[^1].Mtp}");
        Assert.All(watcher.Evaluations, evaluation => Assert.Equal(watcher.Evaluations[0].Loss, evaluation.Loss));

        // The best head is the one with the least loss of its own.
        EvaluationMetrics best = watcher.Evaluations.MinBy(evaluation => evaluation.MtpLoss)!;
        Assert.True(best.IsBest && best.Step > 0);
        Assert.Contains($"\"step\": {best.Step},", File.ReadAllText(Path.Combine(whole, "checkpoints", "best", TrainingState.FileName)), StringComparison.Ordinal);

        foreach (string folder in (string[])[checkpoint, Path.Combine(whole, "checkpoints", "best")])
        {
            SameTrunk(source, folder);
            SamePlain(source, folder);
        }
        if (format == DType.F8E4M3)
        {
            string[] Plain(string folder) => [.. JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "config.json"))).RootElement
                .GetProperty("quantization_config").GetProperty("modules_to_not_convert").EnumerateArray().Select(name => name.GetString()!)];
            string[] heads = [.. ModelConfiguration.Load(checkpoint).MtpTensors().Where(tensor => tensor.Shape.Rank == 2).Select(tensor => tensor.Name[..^".weight".Length])];
            Assert.Equal(Plain(source).Concat(heads), Plain(checkpoint));
        }

        // Ended in the middle and resumed, with what it began with gone.
        using (CancellationTokenSource cancel = new())
        {
            using Trainer trainer = Trainer.Start(run, cut, new TrainerOptions { Observer = new Watcher { AtStep = step => { if (step.Step == 7) cancel.Cancel(); } } });
            trainer.Run(cancel.Token);
        }
        Directory.Move(source, source + "-gone");
        using (Trainer trainer = Trainer.Resume(cut))
            trainer.Run();
        foreach (string name in (string[])["step-00000016", "best"])
            SameFiles(Path.Combine(whole, "checkpoints", name), Path.Combine(cut, "checkpoints", name));
        Assert.Equal(RunFiles.Metrics(whole), RunFiles.Metrics(cut));
    }

    [Fact]
    public void A_head_that_is_there_is_trained_on_and_its_old_values_are_left_out()
    {
        using TestRun test = new();
        string source = TestRun.Tokenizer, first, second;
        using (Trainer trainer = Trainer.Start(Configuration(test, source, "steps=2", "checkpoints.every=1"), test.NewPath()))
            first = trainer.Run().LastCheckpoint;
        SameTrunk(source, first);
        using (Trainer trainer = Trainer.Start(Configuration(test, first, "steps=1", "optimizer.learning_rate=0"), test.NewPath()))
            second = trainer.Run().LastCheckpoint;
        SameTrunk(first, second);
        Assert.Equal(File.ReadAllBytes(Path.Combine(first, FrozenTrunk.HeadFile)), File.ReadAllBytes(Path.Combine(second, FrozenTrunk.HeadFile)));
        // A checkpoint of such a run can be converted like any other.
        CheckpointConverter.Convert(second, test.NewPath() + "-f32", new ConversionOptions(DType.F32));
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    [InlineData(DType.F8E4M3)]
    public void The_precision_of_training_changes_nothing_in_the_trunk(DType format)
    {
        using TestRun test = new();
        string source = Headless(test, format, 1_000_000_000);
        double? loss = null;
        foreach (string precision in (string[])["f32", "bf16", "fp8"])
        {
            Watcher watcher = new();
            using Trainer trainer = Trainer.Start(Configuration(test, source, "steps=1", $"precision={precision}"), test.NewPath(), new TrainerOptions { Observer = watcher });
            trainer.Run();
            Assert.Equal(loss ??= watcher.Evaluations[0].Loss, watcher.Evaluations[0].Loss);
        }
    }

    [Fact]
    public void A_source_on_another_file_system_is_copied()
    {
        // Where there is no second file system the files are linked, and the result is the same.
        string memory = Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath();
        string source = Path.Combine(memory, $"mellum2-runs-{Guid.NewGuid():N}");
        using TestRun test = new();
        try
        {
            Directory.CreateDirectory(source);
            foreach (string file in Directory.GetFiles(Headless(test, DType.BF16, 1_000_000)))
                File.Copy(file, Path.Combine(source, Path.GetFileName(file)));
            using Trainer trainer = Trainer.Start(Configuration(test, source, "steps=2", "checkpoints.every=1"), test.NewPath());
            SameTrunk(source, trainer.Run().LastCheckpoint);
        }
        finally
        {
            Directory.Delete(source, recursive: true);
        }
    }

    [Fact]
    public void Files_of_the_trunk_take_no_room()
    {
        using TestRun test = new();
        string source = Headless(test, DType.BF16, 1_000_000_000), checkpoint;
        using (Trainer trainer = Trainer.Start(Configuration(test, source, "steps=2", "checkpoints.every=1", "checkpoints.keep=1"), test.NewPath()))
            checkpoint = trainer.Run().LastCheckpoint;
        string file = Path.Combine(checkpoint, "trunk.safetensors");
        long before = new FileInfo(file).Length;
        using (FileStream append = new(Path.Combine(source, "model.safetensors"), FileMode.Append))
            append.WriteByte(0);
        Assert.Equal(before + 1, new FileInfo(file).Length);
    }

    [Fact]
    public void A_head_alone_needs_a_checkpoint()
    {
        using TestRun test = new();
        RunConfiguration run = test.Configuration("model.trained=mtp_head");
        Assert.Contains("model.from names no checkpoint", Assert.Throws<InvalidInputException>(() => Trainer.Start(run, test.NewPath())).Message, StringComparison.Ordinal);
    }

    private static RunConfiguration Configuration(TestRun test, string source, params string[] assignments)
    {
        RunConfiguration run = test.Configuration(
            ["steps=16", "evaluation.every=8", "evaluation.at_start=true", "evaluation.batches=2", "checkpoints.every=5", "checkpoints.keep=2", .. assignments]);
        return run with { Model = new ModelSettings { From = source, Trained = TrainedPart.MtpHead } };
    }

    /// <summary>The golden model without its head.</summary>
    private static string Headless(TestRun test, DType format, long shardBytes)
    {
        string plain = test.NewPath() + "-plain", folder = test.NewPath() + "-source";
        Directory.CreateDirectory(plain);
        foreach (string name in Directory.GetFiles(TestRun.Tokenizer, "token*.json"))
            File.Copy(name, Path.Combine(plain, Path.GetFileName(name)));
        File.WriteAllText(Path.Combine(plain, "config.json"), (ModelConfiguration.Load(TestRun.Tokenizer) with { MtpLayerCount = 0 }).ToJson());
        using (Checkpoint golden = Checkpoint.Open(TestRun.Tokenizer))
        {
            (string Name, Tensor Tensor)[] tensors = [.. golden.Tensors.Where(tensor => !ModelConfiguration.IsMtp(tensor.Name)).Select(tensor => (tensor.Name, tensor.File.OpenTensor(tensor.Stored)))];
            using CheckpointWriter writer = new(plain, [.. tensors.Select(entry => new TensorDeclaration(entry.Name, entry.Tensor.Type, entry.Tensor.Shape))]);
            foreach (var (name, tensor) in tensors)
                writer.Write(name, Bytes(tensor));
            writer.Complete();
        }
        CheckpointConverter.Convert(plain, folder, new ConversionOptions(format, ShardBytes: shardBytes));
        return folder;
    }

    private static void SameTrunk(string source, string checkpoint)
    {
        using Checkpoint before = Checkpoint.Open(source), after = Checkpoint.Open(checkpoint);
        Assert.True(after.Validate(ModelConfiguration.Load(checkpoint)));
        foreach (CheckpointTensor tensor in before.Tensors.Where(tensor => !ModelConfiguration.IsMtp(tensor.Name)))
        {
            CheckpointTensor same = after.Find(tensor.Name);
            Assert.NotEqual(FrozenTrunk.HeadFile, Path.GetFileName(same.File.Path));
            Assert.Equal(tensor.Stored.Format, same.Stored.Format);
            using Tensor one = tensor.File.OpenTensor(tensor.Stored), other = same.File.OpenTensor(same.Stored);
            Assert.Equal(Bytes(one), Bytes(other));
        }
        Assert.All(after.Tensors, tensor => Assert.Equal(ModelConfiguration.IsMtp(tensor.Name), Path.GetFileName(tensor.File.Path) == FrozenTrunk.HeadFile));
        // A file without a head is the same file.
        if (!before.Tensors.Any(tensor => ModelConfiguration.IsMtp(tensor.Name)))
            foreach (string path in before.Tensors.Select(tensor => tensor.File.Path).Distinct())
                Assert.Equal(
                    File.ReadAllBytes(path), File.ReadAllBytes(Path.Combine(checkpoint, Path.GetFileName(path) == "model.safetensors" ? "trunk.safetensors" : Path.GetFileName(path))));
    }

    // The head's drafts are tried, and the text is the one of the source.
    private static void SamePlain(string source, string checkpoint)
    {
        GenerationOptions options = new() { MaxTokens = 40, IgnoreEndOfText = true, Speculation = SpeculationOptions.Off };
        using Mellum plain = Mellum.Load(source), withHead = Mellum.Load(checkpoint);
        var (text, result) = withHead.Generate("public int Value", options with { Speculation = new SpeculationOptions(DraftKind.Mtp, 2) });
        Assert.Equal(plain.Generate("public int Value", options).Text, text);
        Assert.True(result.Speculation.Drafted > 0);
    }

    private static void SameFiles(string folder, string other)
    {
        string[] Names(string path) => [.. Directory.GetFiles(path).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal)];
        Assert.Equal(Names(folder), Names(other));
        Assert.Contains("mtp.safetensors", Names(folder));
        foreach (string name in Names(folder))
            Assert.True(File.ReadAllBytes(Path.Combine(folder, name)).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(other, name))), $"{name} differs");
    }

    private static unsafe byte[] Bytes(Tensor tensor) => new ReadOnlySpan<byte>(tensor.Data, checked((int)tensor.ByteLength)).ToArray();
}
