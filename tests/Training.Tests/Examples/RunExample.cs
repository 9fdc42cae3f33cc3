namespace Mellum2.Managed.Training.Tests.Examples;

internal static class RunExample
{
    public static TrainingSummary Run(string runFile, string folder)
    {
        // <example name="run">
        RunConfiguration run = RunConfiguration.Load(runFile).Set("optimizer.learning_rate", "5e-3").Set("steps", "20");
        using Trainer trainer = Trainer.Start(run, folder);
        TrainingSummary summary = trainer.Run();
        // </example>
        return summary;
    }
}
