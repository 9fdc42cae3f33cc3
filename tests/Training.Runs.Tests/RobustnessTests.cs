using System.Text.Json;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Training.Runs.Tests;

/// <summary>Numbers that are not finite, full disks, files that are damaged or of something else: one clear sentence, and nothing is overwritten.</summary>
public sealed class RobustnessTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_step_that_is_not_finite_is_skipped_and_counted(bool inGradient)
    {
        using TestRun test = new();
        RunConfiguration run = test.Configuration("steps=30", "checkpoints.every=10", "schedule.kind=cosine");
        float[][] weights = [[], []];
        string folder = test.NewPath(), resumed = test.NewPath();
        Watcher watcher = new();
        using (Trainer trainer = Trainer.Start(run, folder, new TrainerOptions { Observer = watcher }))
        {
            SpoilSteps(trainer, watcher, 11, 12, inGradient);
            Watch(trainer, watcher, weights);
            Assert.Equal(2, trainer.Run().Skipped);
            // Data goes on, optimizer and schedule wait.
            TrainingState state = TrainingState.Load(trainer.Folder.CheckpointOf(30));
            Assert.Equal((60, 2), (state.Stream.Position, state.Skipped));
        }
        Assert.Equal([false, true, true, false], watcher.Steps[9..13].Select(step => step.IsSkipped));
        Assert.Equal(weights[0], weights[1]);
        Assert.Equal(watcher.Steps[10].LearningRate, watcher.Steps[12].LearningRate);
        Assert.True(watcher.Steps[12].LearningRate < watcher.Steps[9].LearningRate);
        JsonElement[] lines = [.. File.ReadLines(Path.Combine(folder, "metrics.jsonl")).Take(13).Select(line => JsonDocument.Parse(line).RootElement)];
        Assert.Equal(inGradient, lines[11].TryGetProperty("loss", out _));
        Assert.False(lines[11].TryGetProperty("gradient_norm", out _));
        Assert.Equal(2, lines[12].GetProperty("skipped").GetInt64());

        // A run that is ended between two skipped steps counts on.
        using (CancellationTokenSource cancel = new())
        {
            Watcher second = new() { AtStep = step => { if (step.Step == 11) cancel.Cancel(); } };
            using Trainer trainer = Trainer.Start(run, resumed, new TrainerOptions { Observer = second });
            SpoilSteps(trainer, second, 11, 12, inGradient);
            trainer.Run(cancel.Token);
        }
        Watcher third = new();
        using (Trainer trainer = Trainer.Resume(resumed, options: new TrainerOptions { Observer = third }))
        {
            SpoilSteps(trainer, third, 12, 12, inGradient);
            trainer.Run();
        }
        RunFiles.Same(folder, resumed, 30);
    }

    [Fact]
    public void Ten_skipped_steps_in_a_row_end_the_run_and_name_the_last_good_checkpoint()
    {
        using TestRun test = new();
        Watcher watcher = new();
        string folder = test.NewPath();
        using Trainer trainer = Trainer.Start(test.Configuration("checkpoints.every=5", "checkpoints.keep=1"), folder, new TrainerOptions { Observer = watcher });
        SpoilSteps(trainer, watcher, 28, 60, inGradient: false);
        string message = Assert.Throws<InvalidInputException>(() => trainer.Run()).Message;
        Assert.Equal($"Steps 28 to 37 had a loss or a gradient that is not finite; the last good checkpoint is {trainer.Folder.CheckpointOf(25)}.", message);
        Assert.True(trainer.HasDiverged);
        Assert.Equal([25], trainer.Folder.CheckpointSteps());
    }

    [FactWithSmallDisk]
    public void A_disk_that_fills_up_during_a_checkpoint_leaves_the_one_before_whole()
    {
        using TestRun test = new();
        using SmallDisk disk = SmallDisk.TryMount(Path.Combine(test.Root, "disk"), megabytes: 6)!;
        string folder = Path.Combine(disk.Path, "run"), whole = test.NewPath();
        RunConfiguration run = test.Configuration("steps=40", "checkpoints.every=10", "checkpoints.keep=1000", "checkpoints.best=false");
        using (Trainer trainer = Trainer.Start(run, whole))
            trainer.Run();
        string message;
        using (Trainer trainer = Trainer.Start(run, folder, new TrainerOptions { DataCache = Path.Combine(whole, "data") }))
            message = Assert.Throws<InvalidInputException>(() => trainer.Run()).Message;
        Assert.Contains("disk is full", message, StringComparison.Ordinal);
        Assert.Contains("the last good checkpoint is", message, StringComparison.Ordinal);
        string[] checkpoints = [.. Directory.GetDirectories(Path.Combine(folder, "checkpoints"))];
        Assert.NotEmpty(checkpoints);
        Assert.All(checkpoints, checkpoint => Assert.True(File.Exists(Path.Combine(checkpoint, "training-state.json")), checkpoint));
        // Room again: with fewer checkpoints the run gets to its end.
        using (Trainer trainer = Trainer.Resume(folder, run.Set("checkpoints.keep", "1"), new TrainerOptions { DataCache = Path.Combine(whole, "data") }))
        {
            foreach (string checkpoint in checkpoints[..^1].Order())
                Directory.Delete(checkpoint, recursive: true);
            trainer.Run();
        }
        Assert.Equal(RunFiles.Metrics(whole), RunFiles.Metrics(folder));
        foreach (string name in (string[])["model.safetensors", "optimizer.safetensors", "training-state.json"])
            Assert.Equal(
                File.ReadAllBytes(Path.Combine(whole, "checkpoints", "step-00000040", name)), File.ReadAllBytes(Path.Combine(folder, "checkpoints", "step-00000040", name)));
    }

    [Fact]
    public void A_run_is_never_overwritten()
    {
        using TestRun test = new();
        string folder = test.NewPath();
        using (Trainer trainer = Trainer.Start(test.Configuration("steps=1"), folder))
        {
            trainer.Run();
            // And not trained by two at once.
            Assert.Contains("another process", Assert.Throws<InvalidInputException>(() => Trainer.Resume(folder)).Message, StringComparison.Ordinal);
        }
        Dictionary<string, byte[]> before = Files(folder);
        Assert.Contains("holds a run already; resume it", Sentence(() => Trainer.Start(test.Configuration("steps=1"), folder)), StringComparison.Ordinal);
        Assert.Contains("is not empty", Sentence(() => Trainer.Start(test.Configuration("steps=1"), test.Texts)), StringComparison.Ordinal);
        Assert.Contains("holds no run", Sentence(() => Trainer.Resume(test.Texts)), StringComparison.Ordinal);
        Dictionary<string, byte[]> after = Files(folder);
        Assert.Equal(before.Keys.Order(), after.Keys.Order());
        Assert.All(before, file => Assert.Equal(file.Value, after[file.Key]));
    }

    [Fact]
    public void Sources_that_cannot_be_read_are_refused_and_binary_files_are_named()
    {
        using TestRun test = new();
        string nowhere = Path.Combine(test.Root, "nowhere"), empty = Directory.CreateDirectory(Path.Combine(test.Root, "empty")).FullName;
        Assert.Contains("neither a file nor a folder", Sentence(() => Start(test, $"data.sources.0.path={nowhere}")), StringComparison.Ordinal);
        Assert.Contains("has no file", Sentence(() => Start(test, $"data.sources.0.path={empty}")), StringComparison.Ordinal);
        Assert.Contains("has no file that ends in .zig", Sentence(() => Start(test, "data.sources.0.extensions=[\"zig\"]")), StringComparison.Ordinal);
        test.Write("texts/picture.cs", [1, 2, 0, 4]);
        Assert.Contains("picture.cs is a binary file", Sentence(() => Start(test, "data.sources.0.strict=true")), StringComparison.Ordinal);
        Watcher watcher = new();
        using (Trainer.Start(test.Configuration(), test.NewPath(), new TrainerOptions { Observer = watcher }))
            Assert.Contains(watcher.Notes, note => note.Contains("picture.cs is a binary file", StringComparison.Ordinal));
        string binaries = Path.GetDirectoryName(test.Write("binaries/a.bin", new byte[100]))!;
        Assert.Contains("no document with text", Sentence(() => Start(test, $"data.sources.0.path={binaries}")), StringComparison.Ordinal);
        string one = test.Write("one.txt", "a b");
        Assert.Contains("none can be held out", Sentence(() => Start(test, $"data.sources.0.path={one}", "data.least_unique=0")), StringComparison.Ordinal);
    }

    [Fact]
    public void A_start_that_failed_can_be_tried_again_in_its_folder()
    {
        using TestRun test = new();
        string folder = test.NewPath(), one = test.Write("one.txt", "a b");
        Sentence(() => Trainer.Start(test.Configuration($"data.sources.0.path={one}"), folder));
        // As if the process had been killed before the run's file was written.
        Directory.CreateDirectory(Path.Combine(folder, "tokenizer"));
        using (Trainer.Start(test.Configuration(), folder))
            Assert.True(RunFolder.HoldsRun(folder));
        string foreign = Path.GetDirectoryName(test.Write("foreign/tokenizer", "of someone else"))!;
        Assert.Contains("is not empty", Sentence(() => Trainer.Start(test.Configuration(), foreign)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_that_takes_more_memory_than_there_is_does_not_begin()
    {
        using TestRun test = new();
        string sentence = Sentence(() => Trainer.Start(test.Configuration(), test.NewPath(), new TrainerOptions { AvailableMemory = 1_000_000 }));
        Assert.Matches("^Training takes .* MB: weights .* activations .*, but only 1.0 MB of memory are available.$", sentence);
    }

    [Fact]
    public void A_shard_that_is_cut_or_altered_is_refused()
    {
        using TestRun test = new();
        string folder = test.NewPath();
        using (Trainer trainer = Trainer.Start(test.Configuration("steps=2"), folder))
            trainer.Run();
        string shard = Directory.GetFiles(Assert.Single(Directory.GetDirectories(Path.Combine(folder, "data"), "*-train-*")))[0];
        byte[] whole = File.ReadAllBytes(shard);
        File.WriteAllBytes(shard, whole[..^9]);
        Assert.Contains(Path.GetFileName(shard), Sentence(() => Trainer.Resume(folder)), StringComparison.Ordinal);
        byte[] altered = [.. whole];
        altered[whole.Length / 2] ^= 4;
        File.WriteAllBytes(shard, altered);
        Assert.Contains("is damaged: the checksum", Sentence(() => Trainer.Resume(folder)), StringComparison.Ordinal);
        File.WriteAllBytes(shard, whole);
        using (Trainer.Resume(folder)) { }
    }

    [Fact]
    public void A_checkpoint_that_does_not_fit_is_refused()
    {
        using TestRun test = new();
        string folder = test.NewPath(), other = test.NewPath();
        using (Trainer trainer = Trainer.Start(test.Configuration("steps=2"), folder))
            trainer.Run();
        using (Trainer trainer = Trainer.Start(test.Configuration("steps=2", "model.shape.hidden_size=48"), other))
            trainer.Run();
        string mine = Path.Combine(folder, "checkpoints", "step-00000002"), theirs = Path.Combine(other, "checkpoints", "step-00000002");
        void Swap(string name)
        {
            byte[] before = File.ReadAllBytes(Path.Combine(mine, name));
            File.Copy(Path.Combine(theirs, name), Path.Combine(mine, name), overwrite: true);
            Assert.Contains("is expected", Sentence(() => Trainer.Resume(folder)), StringComparison.Ordinal);
            File.WriteAllBytes(Path.Combine(mine, name), before);
        }
        Swap("model.safetensors");
        Swap("optimizer.safetensors");
        File.WriteAllText(Path.Combine(mine, "training-state.json"), "{ \"format\": 1 }");
        Assert.Contains("training-state.json is damaged", Sentence(() => Trainer.Resume(folder)), StringComparison.Ordinal);
        File.Delete(Path.Combine(mine, "training-state.json"));
        Assert.Contains("cannot be read", Sentence(() => Trainer.Resume(folder)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_vocabulary_that_does_not_fit_is_refused()
    {
        using TestRun test = new();
        Assert.Contains("but the model's vocabulary has room for 1,000", Sentence(() => Start(test, "model.shape.vocab_size=1000")), StringComparison.Ordinal);
        Assert.Contains("no token <none>", Sentence(() => Start(test, "data.end_token=<none>")), StringComparison.Ordinal);
        Assert.Contains("has no tokenizer.json", Sentence(() => Start(test, $"tokenizer={test.Texts}")), StringComparison.Ordinal);
        // Data that was packed with other tokens.
        string packed = test.NewPath();
        using (ShardWriter writer = new(packed, new VocabularyIdentity(2048, 1), 64, 0, 1 << 20))
        {
            for (int i = 0; i < 8; i++)
                writer.AddSample(new int[64], [64]);
            writer.Commit();
        }
        Assert.Contains("was written with a vocabulary", Sentence(() => Start(test, $"data.sources.0.path={packed}")), StringComparison.Ordinal);
    }

    /// <summary>Starts a run that must fail, and checks that it leaves nothing that a second try would stumble over.</summary>
    private static Trainer Start(TestRun test, params string[] assignments)
    {
        string folder = test.NewPath();
        try
        {
            return Trainer.Start(test.Configuration(assignments), folder);
        }
        finally
        {
            Assert.False(RunFolder.HoldsRun(folder));
        }
    }

    private static string Sentence(Func<object> action)
    {
        string message = Assert.Throws<InvalidInputException>(action).Message;
        Assert.DoesNotContain('\n', message);
        return message;
    }

    private static Dictionary<string, byte[]> Files(string folder) =>
        Directory.GetFiles(folder, "*", SearchOption.AllDirectories).ToDictionary(file => file, File.ReadAllBytes);

    /// <summary>Makes the loss, or a gradient, of some steps infinite by an own term.</summary>
    private static void SpoilSteps(Trainer trainer, Watcher watcher, long first, long last, bool inGradient)
    {
        long before = trainer.Plan.FirstStep - 1;
        trainer.Model.LossTerms.Add((_, _) =>
        {
            long step = before + watcher.Steps.Count + 1;
            if (step < first || step > last)
                return 0;
            if (!inGradient)
                return double.NaN;
            trainer.Model.Parameters[3].Gradient.Span<float>()[5] = float.PositiveInfinity;
            return 0;
        });
    }

    /// <summary>Remembers the weights before and after the steps that are skipped.</summary>
    private static void Watch(Trainer trainer, Watcher watcher, float[][] weights) => trainer.Model.LossTerms.Add((_, _) =>
    {
        if (watcher.Steps.Count is 10 or 12)
            weights[(watcher.Steps.Count - 10) / 2] = [.. trainer.Model.Parameters.SelectMany(parameter => parameter.Weight.Span<float>().ToArray())];
        return 0;
    });
}
