namespace Mellum2.Managed.Training.Runs.Tests;

public sealed class TrainerTests
{
    [Fact]
    public void A_run_learns_and_leaves_its_files()
    {
        using TestRun test = new();
        string folder = test.NewPath();
        using Trainer trainer = Trainer.Start(test.Configuration(), folder);
        TrainingSummary summary = trainer.Run();
        Assert.Equal(60, summary.Step);
        Assert.True(summary.LastValidationLoss < 6.5, $"{summary.LastValidationLoss}");
        Assert.Equal(60 + 3, File.ReadLines(trainer.Folder.MetricsFile).Count());
        Assert.Equal([50, 60], trainer.Folder.CheckpointSteps());
        Assert.True(Directory.Exists(trainer.Folder.Best));
    }
}
