using System.CommandLine;
using System.Runtime.InteropServices;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.GpuCheck;

/// <summary>
/// The program <c>gpu-check</c>: one file that somebody with a GPU runs, and a report to send back. It needs the device's driver
/// and nothing else.
/// </summary>
public static class Program
{
    /// <summary>No check failed.</summary>
    public const int Success = 0;

    /// <summary>A check failed, or there is no device to check.</summary>
    public const int Failure = 1;

    /// <summary>The command line is wrong.</summary>
    public const int Usage = 2;

    /// <summary>Ctrl+C, as shells count it: 128 + SIGINT.</summary>
    public const int Cancelled = 130;

    /// <summary>Runs with the process's own streams; Ctrl+C ends it after the step at hand, a second one at once.</summary>
    public static int Main(string[] args)
    {
        using CancellationTokenSource cancel = new();
        void Cancel(PosixSignalContext signal)
        {
            if (cancel.IsCancellationRequested)
                return;
            signal.Cancel = true;
            Console.Error.WriteLine("\nEnding after the step at hand; once more ends at once.");
            cancel.Cancel();
        }
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Cancel);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Cancel);
        return Run(args, new Surroundings(Console.Out, Console.Error) { IsTerminal = !Console.IsOutputRedirected, Cancel = cancel.Token });
    }

    /// <summary>Runs with other surroundings.</summary>
    /// <param name="args">The arguments, without the program's name.</param>
    /// <param name="around">Where it writes, and what a test puts in place of its own.</param>
    /// <returns>0 where no check failed, else one of the numbers above.</returns>
    public static int Run(string[] args, Surroundings around)
    {
        Option<string> device = new("--device")
        {
            Description = "What is checked: cuda, opencl, opencl-cpu, emulator (each with :INDEX if there are several), or auto for the first GPU.",
            HelpName = "DEVICE",
            DefaultValueFactory = _ => "auto",
        };
        Option<string?> report = new("--output") { Description = "The file for the report, Markdown.", HelpName = "FILE" };
        Option<bool> quick = new("--quick") { Description = "Fewer cases, fewer tokens and shorter benches." };
        Option<string?> only = new("--only") { Description = "Only checks whose section or name contains TEXT.", HelpName = "TEXT" };
        RootCommand command = new("Checks the device kernels of Mellum2.Managed on a GPU: right results, equal bits, speed.") { device, report, quick, only };
        int code = Success;
        command.SetAction(parsed => code = Guard(around, () => Check(
            around, parsed.GetValue(device)!, new ReportFile(parsed.GetValue(report)), parsed.GetValue(quick), parsed.GetValue(only) ?? "")));
        ParseResult line = command.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (line.Errors.Count > 0)
        {
            around.Error.WriteLine($"{line.Errors[0].Message} gpu-check --help lists what there is.");
            return Usage;
        }
        int invoked = line.Invoke(new InvocationConfiguration
        {
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = null,
            Output = around.Output,
            Error = around.Error,
        });
        return code != Success ? code : invoked;
    }

    private static int Guard(Surroundings around, Func<int> action)
    {
        try
        {
            return action();
        }
        catch (InvalidInputException e)
        {
            around.Error.WriteLine(e.Message);
            return Failure;
        }
    }

    /// <summary>Opens the device, or says beside that it is not there what the machine lacks.</summary>
    private static CheckedDevice Open(string name, GoldenFiles goldens, bool isQuick, Surroundings around)
    {
        try
        {
            return new CheckedDevice(name, goldens, isQuick, around.Open, around.Cancel);
        }
        catch (InvalidInputException e)
        {
            throw new InvalidInputException(string.Join(' ', [e.Message, .. GpuDevices.Missing()]), e);
        }
    }

    private static int Check(Surroundings around, string name, ReportFile file, bool isQuick, string only)
    {
        DateTimeOffset time = DateTimeOffset.Now;
        ConsoleLines lines = new(around.Output, around.IsTerminal);
        using GoldenFiles goldens = around.Goldens ?? GoldenFiles.Unpack();
        using CheckedDevice device = Open(name, goldens, isQuick, around);
        Check[] checks = [.. (around.Checks ?? CheckList.For)(device).Where(check => $"{check.Section}: {check.Name}".Contains(only, StringComparison.OrdinalIgnoreCase))];
        if (checks.Length == 0)
            throw new InvalidInputException($"No check has \"{only}\" in its section or name.");
        CheckRun run = new(device, checks);
        void Write() => file.Write(Report.Text(run, device, time));
        run.Starting += check =>
        {
            Write();
            lines.Start(check);
        };
        run.Ended += lines.End;
        run.Execute();
        Write();
        if (run.Lost is not null)
            lines.Note($"\n{run.Lost}.");
        if (run.IsCancelled)
            lines.Note("\nCancelled.");
        lines.Note($"\n{Report.Counts(run)}");
        return run.Count(Verdict.Failed) > 0 ? Failure : run.IsCancelled ? Cancelled : Success;
    }
}
