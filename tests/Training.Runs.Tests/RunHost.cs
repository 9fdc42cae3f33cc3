namespace Mellum2.Managed.Training.Runs.Tests;

/// <summary>The program that tests start as a process of its own: it trains and says each step and checkpoint on a line.</summary>
internal static class RunHost
{
    /// <summary><c>start RUN_FILE FOLDER</c> or <c>resume RUN_FILE FOLDER</c>.</summary>
    public static int Main(string[] args)
    {
        try
        {
            RunConfiguration run = RunConfiguration.Load(args[1]);
            TrainerOptions options = new() { Observer = new Lines() };
            using Trainer trainer = args[0] == "start" ? Trainer.Start(run, args[2], options) : Trainer.Resume(args[2], run, options);
            trainer.Run();
            return 0;
        }
        catch (Engine.InvalidInputException e)
        {
            Console.Error.WriteLine(e.Message);
            return 1;
        }
    }

    private sealed class Lines : ITrainingObserver
    {
        public void Preparing(string what, double done, double total) => Console.WriteLine(what);

        public void Stepped(StepMetrics step) => Console.WriteLine(FormattableString.Invariant($"step {step.Step}"));

        public void Checkpointed(CheckpointMetrics checkpoint) => Console.WriteLine(FormattableString.Invariant($"checkpoint {checkpoint.Step}"));
    }
}
