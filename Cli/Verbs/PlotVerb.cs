using System.CommandLine;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Cli;

/// <summary><c>mellum2 plot</c>: the curves of one or several runs in one picture.</summary>
internal static class PlotVerb
{
    public static Command Create(Terminal terminal)
    {
        Argument<string[]> paths = new("RUN")
        {
            Description = $"Folders of runs, their {MetricsReader.FileName}, or the folder of a sweep; a run may still be going on.",
            Arity = ArgumentArity.OneOrMore,
        };
        Option<string> output = new("--output") { Description = "The picture, SVG.", HelpName = "FILE", Required = true };
        WordOption<CurveAxis> axis = Axis();
        Command command = new("plot", "Draws the curves of runs: training and validation loss, learning rate, gradient norm, acceptance of the MTP head and expert load.");
        command.Arguments.Add(paths);
        command.Options.Add(output);
        command.Options.Add(axis);
        command.SetAction(parsed =>
        {
            List<RunMetrics> runs = MetricsReader.ReadAll(parsed.GetValue(paths)!);
            foreach (RunMetrics run in runs)
                if (run.Steps.Count == 0 && run.Evaluations.Count == 0)
                    throw new InvalidInputException($"The metrics of {run.Name} have no step yet; at least one is expected.");
            string file = parsed.GetValue(output)!;
            CurvePicture.Save(file, runs, axis.Read(parsed));
            terminal.Note($"{file} shows {string.Join(", ", runs.Select(Describe))}.");
            return ExitCode.Success;
        });
        return command;
    }

    /// <summary>The option that says what the x axis counts.</summary>
    public static WordOption<CurveAxis> Axis() => new(
        "--x", "What the x axis counts.", "steps", ("steps", CurveAxis.Steps), ("tokens", CurveAxis.Tokens));

    private static string Describe(RunMetrics run) => run.Steps.Count == 0 ? run.Name : Quantity.Text($"{run.Name} to step {run.Steps[^1].Step}");
}
