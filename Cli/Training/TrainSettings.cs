using System.CommandLine;
using Mellum2.Managed.Training;

namespace Mellum2.Managed.Cli;

/// <summary>What is the same for every way of training.</summary>
/// <param name="Output">The folder that was named; null for the usual one.</param>
/// <param name="Assignments">Values that are put into the run file.</param>
/// <param name="Threads">The threads that were named; null for what the run file says.</param>
/// <param name="LinesEvery">Steps between lines where standard error is no terminal.</param>
/// <param name="Json">Whether the result is one JSON object.</param>
/// <param name="Force">Whether a run that does not seem to fit into the memory is tried.</param>
internal sealed record TrainSettings(string? Output, IReadOnlyList<string> Assignments, int? Threads, int LinesEvery, bool Json, bool Force)
{
    /// <summary>What a run does not depend on.</summary>
    public TrainerOptions Options(ITrainingObserver observer, double peak) =>
        new() { Observer = observer, PeakFlopsPerSecond = peak, AvailableMemory = Force ? long.MaxValue : MemoryCheck.AvailableBytes() };

    /// <summary>A run with the values that were given on the command line.</summary>
    public RunConfiguration Apply(RunConfiguration run)
    {
        foreach (string assignment in Assignments)
        {
            int at = assignment.IndexOf('=', StringComparison.Ordinal);
            if (at <= 0)
                throw new UsageException($"--set takes PATH=VALUE, as optimizer.learning_rate=1e-3, not \"{assignment}\".");
            run = run.Set(assignment[..at], assignment[(at + 1)..]);
        }
        return Threads is { } threads ? run.Set("threads", Quantity.Text($"{threads}")) : run;
    }
}

/// <summary>The options behind <see cref="TrainSettings"/>.</summary>
internal sealed class TrainOptions
{
    private readonly Option<string?> _output = new("--output")
    {
        Description = "The folder of the run (of the sweep, of the demo), which must not exist or be empty; without it, one below ./runs with the name of the run file.",
        HelpName = "FOLDER",
    };

    private readonly Option<string[]> _set = new("--set")
    {
        Description = "Puts a value into the run file: PATH=VALUE, as optimizer.learning_rate=1e-3; may be repeated.",
        HelpName = "PATH=VALUE",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = true,
    };

    private readonly Option<int?> _threads = NumberOptions.OptionalWhole("--threads", "Threads instead of the run file's; 0 means one for each processor. The result is the same.", 0, DataVerb.MostThreads);

    private readonly Option<int> _every = NumberOptions.Whole("--log-every", "Steps between lines where standard error is no terminal; 0 writes none.", 10, 0);

    private readonly Option<bool> _json = DataVerb.Json();

    private readonly Option<bool> _force = new("--force") { Description = "Goes on when the run does not seem to fit into the memory." };

    /// <summary>Gives the options to a verb.</summary>
    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_output, _set, _threads, _every, _json, _force])
            command.Options.Add(option);
    }

    public TrainSettings Read(ParseResult parsed) => new(
        parsed.GetValue(_output), parsed.GetValue(_set) ?? [], parsed.GetValue(_threads), parsed.GetValue(_every), parsed.GetValue(_json), parsed.GetValue(_force));
}
