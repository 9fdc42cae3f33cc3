using System.Text.Json;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training.Runs.Tests;

/// <summary>What a run does and leaves behind.</summary>
public sealed class TrainerTests
{
    [Fact]
    public void A_run_learns_and_leaves_its_files()
    {
        using TestRun test = new();
        string folder = test.NewPath();
        Watcher watcher = new();
        using Trainer trainer = Trainer.Start(test.Configuration(), folder, new TrainerOptions { Observer = watcher, PeakFlopsPerSecond = 1e12 });
        Assert.Equal((1, 60, 128), (trainer.Plan.FirstStep, trainer.Plan.Steps, trainer.Plan.TokensPerStep));
        TrainingSummary summary = trainer.Run();
        Assert.Equal((60, 60 * 128, false), (summary.Step, summary.Tokens, summary.IsCancelled));
        Assert.True(summary.LastValidationLoss < 5, $"{summary.LastValidationLoss}");
        Assert.Equal([20, 40, 60], watcher.Evaluations.Select(evaluation => evaluation.Step));
        Assert.All(watcher.Evaluations, evaluation => Assert.True(evaluation.IsBest && evaluation.BitsPerByte > 0 && evaluation.MtpAcceptance >= 0));
        Assert.All(watcher.Steps, step => Assert.True(
            double.IsFinite(step.Loss + step.Mtp + step.MtpAcceptance + step.GradientNorm) && step.PeakShare > 0 && step.Load.Count == 3 && step.Load.All(load => load >= 1)));
        Assert.Equal(60 + 3, File.ReadLines(trainer.Folder.MetricsFile).Count());
        Assert.Equal([50, 60], trainer.Folder.CheckpointSteps());
        JsonElement line = JsonDocument.Parse(File.ReadLines(trainer.Folder.MetricsFile).First()).RootElement;
        string[] fields =
        [
            "step", "tokens", "loss", "main", "mtp", "mtp_acceptance", "balance", "z", "gradient_norm", "learning_rate", "skipped", "load",
            "seconds", "tokens_per_second", "flops_per_second", "peak_share",
        ];
        Assert.Equal(fields, line.EnumerateObject().Select(property => property.Name));
        // What a run writes is a checkpoint that inference loads.
        foreach (string checkpoint in (string[])[summary.LastCheckpoint, trainer.Folder.Best])
        {
            using Mellum mellum = Mellum.Load(checkpoint);
            Assert.Equal(8, mellum.Generate("public int Value", new GenerationOptions { MaxTokens = 8, IgnoreEndOfText = true }).Result.Tokens.Count);
        }
        Assert.False(File.Exists(Path.Combine(trainer.Folder.Best, "optimizer.safetensors")));
    }

    [Fact]
    public void Weights_that_the_trainer_evaluates_are_those_of_the_checkpoint()
    {
        using TestRun test = new();
        string folder = test.NewPath();
        TrainingSummary summary;
        using (Trainer trainer = Trainer.Start(test.Configuration("steps=5"), folder))
            summary = trainer.Run();
        Watcher watcher = new();
        RunConfiguration next = test.Configuration("steps=1", "optimizer.learning_rate=0", "evaluation.at_start=true") with
        {
            Model = new ModelSettings { From = summary.LastCheckpoint },
        };
        using Trainer second = Trainer.Start(next, test.NewPath(), new TrainerOptions { Observer = watcher });
        second.Run();
        Assert.Equal([0, 1], watcher.Evaluations.Select(evaluation => evaluation.Step));
        Assert.All(watcher.Evaluations, evaluation => Assert.Equal(summary.LastValidationLoss, evaluation.Loss));
    }

    [Theory]
    [InlineData("muon", new[] { ".momentum", ".mean", ".variance" })]
    [InlineData("adamw", new[] { ".mean", ".variance" })]
    public void The_kind_of_optimizer_decides_who_has_the_matrices(string kind, string[] states)
    {
        using TestRun test = new();
        using Trainer trainer = Trainer.Start(test.Configuration("steps=1", $"optimizer.kind={kind}"), test.NewPath());
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(trainer.Run().LastCheckpoint, "optimizer.safetensors"));
        string[] names = [.. file.Tensors.Select(tensor => tensor.Name).Where(name => name != "step")];
        Assert.Equal(states.Order(), names.Select(name => name[name.LastIndexOf('.')..]).Distinct().Order());
        Assert.Equal(kind == "adamw", names.Contains("model.layers.0.self_attn.q_proj.weight.mean"));
    }

    [Fact]
    public void An_mtp_head_is_trained_alone_on_a_checkpoint_that_has_none()
    {
        using TestRun test = new();
        string headless;
        using (Trainer trainer = Trainer.Start(test.Configuration("steps=3", "model.mtp=false"), test.NewPath()))
        {
            headless = trainer.Run().LastCheckpoint;
            Assert.DoesNotContain(trainer.Model.AllTensors, tensor => tensor.Name.StartsWith("mtp.", StringComparison.Ordinal));
        }
        Watcher watcher = new();
        RunConfiguration run = test.Configuration("steps=40") with { Model = new ModelSettings { From = headless, Trained = TrainedPart.MtpHead } };
        string withHead;
        using (Trainer trainer = Trainer.Start(run, test.NewPath(), new TrainerOptions { Observer = watcher }))
        {
            Assert.True(trainer.Plan.TrainedParameters < trainer.Plan.Parameters / 2);
            withHead = trainer.Run().LastCheckpoint;
        }
        Assert.True(watcher.Steps[^1].Mtp < watcher.Steps[0].Mtp - 0.2, $"{watcher.Steps[0].Mtp} to {watcher.Steps[^1].Mtp}");
        Assert.Equal(watcher.Evaluations[0].Loss, watcher.Evaluations[^1].Loss);
        using Checkpoint before = Checkpoint.Open(headless), after = Checkpoint.Open(withHead);
        Assert.True(after.Validate(ModelConfiguration.Load(withHead)));
        foreach (CheckpointTensor tensor in before.Tensors)
            Assert.Equal(Bytes(tensor), Bytes(after.Find(tensor.Name)));
    }

    [Fact]
    public void Yarn_is_put_on_the_full_layers_of_a_base_model()
    {
        using TestRun test = new();
        const string Rope = """{"sliding_attention":{"rope_type":"default","rope_theta":10000.0},"full_attention":{"rope_type":"default","rope_theta":10000.0}}""";
        RunConfiguration run = test.Configuration("steps=2", $"model.shape.rope_parameters={Rope}", "model.shape.max_position_embeddings=32");
        Assert.Contains("the model has 32 positions", Assert.Throws<InvalidInputException>(() => Trainer.Start(run, test.NewPath())).Message, StringComparison.Ordinal);
        string folder = test.NewPath();
        RunConfiguration extended = run.Set("model.yarn.factor", "4");
        using (Trainer trainer = Trainer.Start(extended, folder))
        {
            ModelConfiguration written = ModelConfiguration.Load(trainer.Run().LastCheckpoint);
            Assert.Equal((4, 32), (written.FullRope!.Yarn!.Factor, written.FullRope.Yarn.OriginalLength));
            Assert.Null(written.SlidingRope!.Yarn);
            Assert.Equal(128, written.MaximumPositions);
        }
        // Resuming does not extend once more.
        using (Trainer trainer = Trainer.Resume(folder))
            Assert.Equal(128, trainer.Plan.Model.MaximumPositions);
        RunConfiguration twice = test.Configuration("steps=2") with { Model = new ModelSettings { From = Path.Combine(folder, "checkpoints", "step-00000002"), Yarn = new YarnSettings(2) } };
        Assert.Contains("extended already", Assert.Throws<InvalidInputException>(() => Trainer.Start(twice, test.NewPath())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Phases_mix_sources_by_their_weights()
    {
        using TestRun test = new();
        for (int i = 0; i < 120; i++)
            test.Write($"notes/{i:D3}.md", string.Concat(Enumerable.Repeat($"The number {i} is not {i + 1}. ", 20)));
        RunConfiguration run = test.Configuration("steps=8");
        run = run with
        {
            Data = run.Data with { Sources = [run.Data.Sources[0] with { FillInTheMiddle = 0.5 }, new SourceSettings { Name = "notes", Paths = [Path.Combine(test.Root, "notes")] }] },
            Phases = [new PhaseSettings(4, new Dictionary<string, double> { ["texts"] = 1, ["notes"] = 3 }), new PhaseSettings(4, new Dictionary<string, double> { ["notes"] = 1 })],
        };
        string folder = test.NewPath();
        using Trainer trainer = Trainer.Start(run, folder);
        Assert.Equal(2.0 / trainer.Plan.Sources[0].Samples, trainer.Plan.Sources[0].Epochs, 1e-9);
        Assert.Equal(14.0 / trainer.Plan.Sources[1].Samples, trainer.Plan.Sources[1].Epochs, 1e-9);
        TrainingState state = TrainingState.Load(trainer.Run().LastCheckpoint);
        Assert.Equal([2, 14], state.Stream.Drawn);
        Assert.Contains("\"fim\": 0.5", File.ReadAllText(trainer.Folder.ConfigurationFile), StringComparison.Ordinal);
    }

    [Fact]
    public void Packed_data_and_a_validation_source_of_its_own_are_read_where_they_are()
    {
        using TestRun test = new();
        // A first run packs; its cache stands for data sets that other commands made.
        string first = test.NewPath();
        using (Trainer trainer = Trainer.Start(test.Configuration("steps=1"), first))
            trainer.Run();
        string packed = Assert.Single(Directory.GetDirectories(Path.Combine(first, "data"), "*-train-*"));
        string held = Assert.Single(Directory.GetDirectories(Path.Combine(first, "data"), "*-held-out-*"));
        RunConfiguration run = test.Configuration("steps=2");
        run = run with { Data = new DataSettings { Sources = [new SourceSettings { Paths = [packed] }], Validation = new SourceSettings { Paths = [held] }, HeldOut = 0 } };
        string folder = test.NewPath();
        using (Trainer trainer = Trainer.Start(run, folder))
        {
            Assert.Equal(64, trainer.Plan.Configuration.Data.Length);
            Assert.True(double.IsFinite(trainer.Run().LastValidationLoss));
        }
        Assert.False(Directory.Exists(Path.Combine(folder, "data")));
        // With a held-out share the samples of a packed set are divided.
        run = run with { Data = run.Data with { Validation = null, HeldOut = 0.25 } };
        using Trainer divided = Trainer.Start(run, test.NewPath());
        Assert.InRange(divided.Plan.ValidationSamples, 1, divided.Plan.Sources[0].Samples);
    }

    [Fact]
    public void A_sweep_tokenises_once_goes_on_and_tells_what_diverged()
    {
        using TestRun test = new();
        RunConfiguration run = test.Configuration("steps=12", "evaluation.every=4");
        SweepAxis[] axes = [new("optimizer.learning_rate", ["1e-3", "1e-2"]), new("seed", ["1", "2"])];
        string folder = test.NewPath();
        List<string> started = [];
        using CancellationTokenSource cancel = new();
        SweepReport cut = Sweep.Run(run, axes, folder, one =>
        {
            started.Add(string.Join(' ', one.Values));
            bool isSecond = started.Count == 2;
            return new TrainerOptions { Observer = new Watcher { AtStep = step => { if (isSecond && step.Step == 5) cancel.Cancel(); } } };
        }, cancel.Token);
        Assert.True(cut.IsCancelled);
        Assert.Single(cut.Results);
        SweepReport report = Sweep.Run(run, axes, folder, one =>
        {
            started.Add(string.Join(' ', one.Values));
            return new TrainerOptions();
        });
        Assert.Equal(["1e-3 1", "1e-3 2", "1e-3 2", "1e-2 1", "1e-2 2"], started);
        Assert.Equal(4, report.Results.Count);
        Assert.All(report.Results, result => Assert.True(result.LastValidationLoss >= result.BestValidationLoss && result.TokensPerSecond > 0 && result.Failure is null));
        Assert.True(report.Results[2].LastValidationLoss < report.Results[0].LastValidationLoss);
        Assert.Single(Directory.GetDirectories(Path.Combine(folder, "data"), "*-train-*"));
        Assert.Contains("with steps = 12", Assert.Throws<InvalidInputException>(() => Sweep.Run(run.Set("steps", "13"), axes, folder)).Message, StringComparison.Ordinal);
        Assert.Contains("learning_rat ", Assert.Throws<InvalidInputException>(() => Sweep.Plan(run, [new("optimizer.learning_rat", ["1"])], folder)).Message, StringComparison.Ordinal);

        // With such a decay weights grow by four orders of magnitude a step.
        RunConfiguration wild = test.Configuration("steps=60", "optimizer.weight_decay=100", "schedule.warm_up=0", "evaluation.every=0", "checkpoints.every=0");
        SweepReport diverged = Sweep.Run(wild, [new("optimizer.learning_rate", ["1e2", "1e-5"])], test.NewPath());
        Assert.Contains("not finite", diverged.Results[0].Failure, StringComparison.Ordinal);
        Assert.Null(diverged.Results[1].Failure);
    }

    private static byte[] Bytes(CheckpointTensor tensor)
    {
        using Tensor data = tensor.File.OpenTensor(tensor.Stored);
        return data.Span<float>().ToArray().SelectMany(BitConverter.GetBytes).ToArray();
    }
}
