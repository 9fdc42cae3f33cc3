using System.CommandLine;
using Mellum2.Managed.Training;

namespace Mellum2.Managed.Cli;

/// <summary><c>mellum2 train</c>: a run, a run that goes on, a sweep, or the demonstration.</summary>
internal static class TrainVerb
{
    private const string RunsFolder = "runs";
    private const double StandardMinutes = 10;
    private const double MostMinutes = 7 * 24 * 60;

    public static Command Create(Terminal terminal)
    {
        Argument<string?> file = new("RUN")
        {
            Description = "The JSON file that describes the run; mellum2 train --help shows one.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        Option<string?> resume = new("--resume") { Description = "Goes on with the run in this folder from its last checkpoint.", HelpName = "FOLDER" };
        Option<string?> demo = new("--demo") { Description = "Trains a small model and its tokenizer on the source files in this folder; needs no run file.", HelpName = "FOLDER" };
        Option<double> minutes = NumberOptions.Real("--minutes", "How long the demo may take.", StandardMinutes, 0.1, MostMinutes);
        Option<string[]> sweep = new("--sweep")
        {
            Description = "Trains once for each value: PATH=VALUE,VALUE; repeated, for each combination.",
            HelpName = "PATH=VALUES",
            Arity = ArgumentArity.OneOrMore,
            AllowMultipleArgumentsPerToken = true,
        };
        TrainOptions options = new();
        Command command = new("train", "Trains a model as a run file says, and keeps checkpoints from which the run goes on exactly. Ctrl+C writes one and stops.");
        command.Arguments.Add(file);
        command.Options.Add(resume);
        command.Options.Add(demo);
        command.Options.Add(minutes);
        command.Options.Add(sweep);
        options.AddTo(command);
        command.SetAction(parsed =>
        {
            TrainSettings settings = options.Read(parsed);
            string? runFile = parsed.GetValue(file), resumed = parsed.GetValue(resume), sources = parsed.GetValue(demo);
            string[] sweeps = parsed.GetValue(sweep) ?? [];
            if (new[] { runFile, resumed, sources }.Count(given => given is not null) != 1)
                throw new UsageException("A run file, --resume FOLDER or --demo FOLDER is needed, and only one of them.");
            if (sweeps.Length > 0 && runFile is null)
                throw new UsageException("--sweep needs a run file.");
            if (parsed.GetResult(minutes) is { Implicit: false } && sources is null)
                throw new UsageException("--minutes belongs to --demo.");
            if (resumed is not null && settings.Output is not null)
                throw new UsageException("--output does not go with --resume, which goes on in its folder.");
            if (resumed is not null)
                return RunSession.Resume(terminal, settings, resumed);
            if (sources is not null)
                return DemoSession.Run(terminal, settings, sources, TimeSpan.FromMinutes(parsed.GetValue(minutes)));
            RunConfiguration run = settings.Apply(RunConfiguration.Load(runFile!));
            string folder = settings.Output ?? Path.Combine(RunsFolder, Path.GetFileNameWithoutExtension(runFile!));
            return sweeps.Length > 0
                ? SweepSession.Run(terminal, settings, run, SweepSession.Axes(sweeps), folder)
                : RunSession.Start(terminal, settings, run, folder);
        });
        return command;
    }
}
