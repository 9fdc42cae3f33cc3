using System.CommandLine;
using System.Runtime.InteropServices;
using System.Text;
using Mellum2.Managed.Engine;
using Microsoft.Win32.SafeHandles;

namespace Mellum2.Managed.Cli;

/// <summary>The command <c>mellum2</c>.</summary>
public static class Program
{
    /// <summary>Runs a command with the process's own streams; Ctrl+C ends it in good order, a second one at once.</summary>
    public static int Main(string[] args)
    {
        using CancellationTokenSource cancel = new();
        void Cancel(PosixSignalContext signal)
        {
            if (cancel.IsCancellationRequested)
                return;
            signal.Cancel = true;
            cancel.Cancel();
        }
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Cancel);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Cancel);
        using GuardedOutput output = new(Open(1));
        using StreamWriter error = new(new GuardedOutput(Open(2), isBestEffort: true), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false)) { AutoFlush = true };
        Terminal terminal = new(Open(0), output, error, cancel.Token)
        {
            IsInputTerminal = !Console.IsInputRedirected,
            IsOutputTerminal = !Console.IsOutputRedirected,
            IsErrorTerminal = !Console.IsErrorRedirected,
        };
        return Run(args, terminal);
    }

    /// <summary>Runs a command with other streams, none of which is taken for a terminal.</summary>
    /// <param name="args">The arguments, without the program's name.</param>
    /// <param name="input">Standard input, UTF-8.</param>
    /// <param name="output">Standard output: the result, UTF-8.</param>
    /// <param name="error">Standard error: everything else.</param>
    /// <param name="cancel">Stands for Ctrl+C.</param>
    /// <returns>One of <see cref="ExitCode"/>.</returns>
    public static int Run(string[] args, Stream input, Stream output, TextWriter error, CancellationToken cancel = default)
    {
        using GuardedOutput guarded = new(output);
        return Run(args, new Terminal(input, guarded, error, cancel));
    }

    internal static int Run(string[] args, Terminal terminal)
    {
        ParseResult parsed = CommandTree.Create(terminal).Parse(args, CommandTree.Parsing);
        bool verbose = CommandTree.IsVerbose(parsed);
        try
        {
            return CommandTree.Invoke(parsed, terminal);
        }
        catch (Exception e) when (!verbose || e is OutputClosedException or OperationCanceledException)
        {
            return Explain(e, terminal);
        }
        catch (Exception e)
        {
            int code = Explain(e, terminal);
            terminal.Note(e.ToString());
            return code;
        }
    }

    private static int Explain(Exception e, Terminal terminal)
    {
        switch (e)
        {
            case OutputClosedException:
                return ExitCode.Success;
            case OperationCanceledException:
                terminal.Note("Cancelled.");
                return ExitCode.Cancelled;
            case UsageException:
                terminal.Note(e.Message);
                return ExitCode.Usage;
            case InvalidInputException:
                terminal.Note(e.Message);
                return ExitCode.InvalidInput;
            case IOException or UnauthorizedAccessException:
                terminal.Note($"Reading or writing failed: {OneLine(e.Message)}");
                return ExitCode.InvalidInput;
            case OutOfMemoryException:
                terminal.Note("There is not enough memory; a smaller --context, a checkpoint in a smaller format, or in training a smaller batch.rows needs less.");
                return ExitCode.InvalidInput;
            default:
                terminal.Note($"Unexpected {e.GetType().Name}: {OneLine(e.Message)} This is a defect of mellum2; --verbose shows where it happened.");
                return ExitCode.Defect;
        }
    }

    private static string OneLine(string message) => message.ReplaceLineEndings(" ");

    /// <summary>
    /// A standard stream. On Unix a pipe or a terminal is used without the console's wrapper, which swallows the error that
    /// says that the reader has gone, and puts a terminal into another mode and leaves it there. A file is not: it may be
    /// shared with other programs, and the wrapper works at its common position.
    /// </summary>
    private static Stream Open(int descriptor)
    {
        if (!OperatingSystem.IsWindows())
        {
            SafeFileHandle handle = new(descriptor, ownsHandle: false);
            try
            {
                FileStream stream = new(handle, descriptor == 0 ? FileAccess.Read : FileAccess.Write, bufferSize: 0);
                if (!stream.CanSeek)
                    return stream;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
            {
                // Whoever started the program closed the stream.
                return Stream.Null;
            }
        }
        return descriptor switch
        {
            0 => Console.OpenStandardInput(),
            1 => Console.OpenStandardOutput(),
            _ => Console.OpenStandardError(),
        };
    }
}
