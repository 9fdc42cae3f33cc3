using System.Diagnostics;
using System.Globalization;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Training.Runs.Tests;

/// <summary>A run that is killed at any moment and resumed is the run that was not.</summary>
public sealed class ResumeTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(3);

    [Theory]
    [InlineData("plain", 33, new string[0], new string[0])]
    [InlineData("accumulation of 3, prefetch", 26, new[] { "batch.accumulation=3", "prefetch=3" }, new[] { "prefetch=1" })]
    [InlineData("1 thread, then 2", 31, new string[0], new[] { "threads=2" })]
    [InlineData("bf16, two phases", 40, new[] { "precision=bf16", "phases=[{\"steps\":30},{\"steps\":30}]" }, new string[0])]
    [InlineData("fp8, recomputed", 29, new[] { "precision=fp8", "recompute=true" }, new[] { "threads=2" })]
    [InlineData("AdamW, cosine", 48, new[] { "optimizer.kind=adamw", "schedule.kind=cosine" }, new string[0])]
    [InlineData("killed before the first checkpoint", 7, new string[0], new string[0])]
    public void Sixty_steps_are_killed_and_resumed_bit_for_bit(string what, int killAfter, string[] assignments, string[] changes)
    {
        using TestRun test = new();
        RunConfiguration run = test.Configuration(assignments);
        string whole = test.NewPath(), killed = test.NewPath();
        using (Trainer trainer = Trainer.Start(run, whole))
            trainer.Run();

        string first = test.Write("first.json", run.ToJson());
        int reached = KillAfter(killAfter, "start", first, killed);
        DirectoryInfo written = Directory.CreateDirectory(Path.Combine(killed, "checkpoints"));
        long[] checkpoints = [.. written.GetDirectories("step-????????").Select(folder => long.Parse(folder.Name[^8..], CultureInfo.InvariantCulture))];
        Assert.True(reached >= killAfter && reached < 60, $"{what}: killed after step {reached}");
        Assert.Equal(killAfter >= 25, checkpoints.Contains(25));
        Assert.DoesNotContain(60, checkpoints);

        foreach (string change in changes)
            run = run.Set(change[..change.IndexOf('=')], change[(change.IndexOf('=') + 1)..]);
        using (Trainer trainer = Trainer.Resume(killed, run))
        {
            Assert.Equal(killAfter >= 50 ? 51 : killAfter >= 25 ? 26 : 1, trainer.Plan.FirstStep);
            trainer.Run();
        }
        RunFiles.Same(whole, killed, 60);
    }

    [Fact]
    public void A_process_that_is_killed_again_and_again_gets_to_the_end()
    {
        using TestRun test = new();
        RunConfiguration run = test.Configuration("checkpoints.every=1", "checkpoints.keep=1", "steps=40", "evaluation.every=1");
        string whole = test.NewPath(), killed = test.NewPath();
        using (Trainer trainer = Trainer.Start(run, whole))
            trainer.Run();
        string file = test.Write("run.json", run.ToJson());
        // Most of the time goes into checkpoints here: the kills fall into them.
        KillAfter(3, "start", file, killed);
        for (int target = 9; target < 40; target += 6)
            KillAfter(target, "resume", file, killed);
        using (Trainer trainer = Trainer.Resume(killed))
            trainer.Run();
        RunFiles.Same(whole, killed, 40);
        Assert.Equal(2, Directory.GetDirectories(Path.Combine(killed, "checkpoints")).Length);
    }

    [Theory]
    [InlineData("Tokenising")]
    [InlineData("Packing")]
    public void A_process_that_is_killed_while_it_prepares_data_can_be_started_again(string what)
    {
        using TestRun test = new();
        RunConfiguration run = test.Configuration("steps=3");
        string whole = test.NewPath(), killed = test.NewPath();
        using (Trainer trainer = Trainer.Start(run, whole))
            trainer.Run();
        using (Process child = Child("start", test.Write("run.json", run.ToJson()), killed))
        {
            while (child.StandardOutput.ReadLine() is { } line && !line.StartsWith(what, StringComparison.Ordinal))
                Assert.DoesNotContain("step", line, StringComparison.Ordinal);
            child.Kill();
            child.WaitForExit();
        }
        using (Trainer trainer = RunFolder.HoldsRun(killed) ? Trainer.Resume(killed) : Trainer.Start(run, killed))
            trainer.Run();
        RunFiles.Same(whole, killed, 3);
        Assert.DoesNotContain(Directory.GetDirectories(Path.Combine(killed, "data")), folder => folder.EndsWith(".partial", StringComparison.Ordinal));
    }

    [Fact]
    public void What_a_killed_process_left_is_removed_and_the_best_weights_come_back()
    {
        using TestRun test = new();
        string folder = test.NewPath();
        using (Trainer trainer = Trainer.Start(test.Configuration("steps=4", "checkpoints.every=2"), folder))
            trainer.Run();
        string[] Folders() => [.. Directory.GetDirectories(Path.Combine(folder, "checkpoints")).Select(one => Path.GetFileName(one)!).Order(StringComparer.Ordinal)];
        string Checkpoint(string name) => Path.Combine(folder, "checkpoints", name);
        Assert.Equal(["best", "step-00000002", "step-00000004"], Folders());
        // As if it had been killed while it wrote a checkpoint, removed one, and replaced the best weights.
        Directory.CreateDirectory(Checkpoint("step-00000006.partial"));
        File.WriteAllText(Path.Combine(Checkpoint("step-00000006.partial"), "model.safetensors.partial"), "half");
        Directory.Move(Checkpoint("step-00000002"), Checkpoint("step-00000002.partial"));
        byte[] best = File.ReadAllBytes(Path.Combine(Checkpoint("best"), "model.safetensors"));
        Directory.Move(Checkpoint("best"), Checkpoint("best.replaced"));
        Directory.CreateDirectory(Checkpoint("best.next"));
        using (Trainer.Resume(folder)) { }
        Assert.Equal(["best", "step-00000004"], Folders());
        Assert.Equal(best, File.ReadAllBytes(Path.Combine(Checkpoint("best"), "model.safetensors")));
    }

    [Fact]
    public void Cancelling_writes_a_checkpoint_to_go_on_from()
    {
        using TestRun test = new();
        RunConfiguration run = test.Configuration();
        string whole = test.NewPath(), cancelled = test.NewPath();
        using (Trainer trainer = Trainer.Start(run, whole))
            trainer.Run();
        using (CancellationTokenSource cancel = new())
        {
            using Trainer trainer = Trainer.Start(run, cancelled, new TrainerOptions { Observer = new Watcher { AtStep = step => { if (step.Step == 37) cancel.Cancel(); } } });
            TrainingSummary summary = trainer.Run(cancel.Token);
            Assert.True(summary.IsCancelled);
            Assert.Equal(37, summary.Step);
            Assert.Equal(trainer.Folder.CheckpointOf(37), summary.LastCheckpoint);
        }
        using (Trainer trainer = Trainer.Resume(cancelled))
            Assert.False(trainer.Run().IsCancelled);
        RunFiles.Same(whole, cancelled, 60);
    }

    [Fact]
    public void A_constant_schedule_can_be_given_more_steps()
    {
        using TestRun test = new();
        RunConfiguration run = test.Configuration("schedule.kind=constant", "evaluation.every=30", "steps=60");
        string whole = test.NewPath(), grown = test.NewPath();
        using (Trainer trainer = Trainer.Start(run, whole))
            trainer.Run();
        using (Trainer trainer = Trainer.Start(run.Set("steps", "30"), grown))
            trainer.Run();
        using (Trainer trainer = Trainer.Resume(grown, run))
            trainer.Run();
        RunFiles.Same(whole, grown, 60);
    }

    [Theory]
    [InlineData("optimizer.learning_rate=0.5", "with optimizer.learning_rate = 0.003, so that the run cannot go on with optimizer.learning_rate = 0.5")]
    [InlineData("steps=80", "steps = 4")]
    [InlineData("seed=5", "seed = 0")]
    [InlineData("model.shape.hidden_size=48", "48")]
    [InlineData("data.length=32", "data.length = 64")]
    public void A_run_does_not_go_on_with_another_configuration(string change, string sentence)
    {
        using TestRun test = new();
        RunConfiguration run = test.Configuration("steps=4");
        string folder = test.NewPath();
        using (Trainer trainer = Trainer.Start(run, folder))
            trainer.Run();
        byte[] before = File.ReadAllBytes(Path.Combine(folder, "run.json"));
        RunConfiguration other = run.Set(change[..change.IndexOf('=')], change[(change.IndexOf('=') + 1)..]);
        Assert.Contains(sentence, Assert.Throws<InvalidInputException>(() => Trainer.Resume(folder, other)).Message, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllBytes(Path.Combine(folder, "run.json")));
    }

    [Fact]
    public void Data_that_changed_is_noticed()
    {
        using TestRun test = new();
        RunConfiguration run = test.Configuration("steps=4");
        string folder = test.NewPath();
        using (Trainer trainer = Trainer.Start(run, folder))
            trainer.Run();
        Directory.Delete(Path.Combine(folder, "data"), recursive: true);
        test.Write("texts/001.cs", "another text");
        Assert.Contains("other data", Assert.Throws<InvalidInputException>(() => Trainer.Resume(folder)).Message, StringComparison.Ordinal);
    }

    private static Process Child(string verb, string file, string folder) => Process.Start(
        new ProcessStartInfo("dotnet", ["exec", typeof(RunHost).Assembly.Location, verb, file, folder])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;

    /// <summary>Starts a process that trains, ends it by SIGKILL when it has said that a step is done, and tells the last step it said.</summary>
    private static int KillAfter(int step, string verb, string file, string folder)
    {
        using Process child = Child(verb, file, folder);
        Task<string> error = child.StandardError.ReadToEndAsync();
        int reached = 0;
        string? line;
        while (reached < step && (line = child.StandardOutput.ReadLine()) is not null)
            if (line.StartsWith("step ", StringComparison.Ordinal))
                reached = int.Parse(line[5..], CultureInfo.InvariantCulture);
        child.Kill();
        Assert.True(child.WaitForExit(s_patience), "The process did not end.");
        Assert.True(reached >= step, $"{file}: the process ended before step {step}: {error.Result}");
        Assert.NotEqual(0, child.ExitCode);
        // What it said between our decision and its end.
        while ((line = child.StandardOutput.ReadLine()) is not null)
            if (line.StartsWith("step ", StringComparison.Ordinal))
                reached = int.Parse(line[5..], CultureInfo.InvariantCulture);
        return reached;
    }
}

/// <summary>An observer of actions.</summary>
internal sealed class Watcher : ITrainingObserver
{
    public Action<StepMetrics>? AtStep { get; init; }

    public List<string> Notes { get; } = [];

    public List<EvaluationMetrics> Evaluations { get; } = [];

    public List<StepMetrics> Steps { get; } = [];

    public void Note(string sentence) => Notes.Add(sentence);

    public void Evaluated(EvaluationMetrics evaluation) => Evaluations.Add(evaluation);

    public void Stepped(StepMetrics step)
    {
        Steps.Add(step);
        AtStep?.Invoke(step);
    }
}
