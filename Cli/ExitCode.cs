namespace Mellum2.Managed.Cli;

/// <summary>What the command returns to the shell.</summary>
public static class ExitCode
{
    /// <summary>All went well, or the reader of the output went away.</summary>
    public const int Success = 0;

    /// <summary>A file, a model or a text is not what it should be, or there is no room.</summary>
    public const int InvalidInput = 1;

    /// <summary>The command line is wrong.</summary>
    public const int Usage = 2;

    /// <summary>A defect of the program.</summary>
    public const int Defect = 3;

    /// <summary>Ctrl+C, as shells count it: 128 + SIGINT.</summary>
    public const int Cancelled = 130;
}

/// <summary>Options that are fine one by one do not go together; the message is one sentence.</summary>
internal sealed class UsageException(string message) : Exception(message);

/// <summary>Whoever read the output does not any more: nothing is left to do, and nothing is wrong.</summary>
internal sealed class OutputClosedException(Exception innerException) : Exception("The output was closed.", innerException);
