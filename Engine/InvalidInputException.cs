namespace Mellum2.Managed.Engine;

/// <summary>
/// Something given from outside (a file, a configuration, a request) is wrong. The message is one sentence that
/// names what, where and what was expected; the command line prints it as it stands.
/// </summary>
public sealed class InvalidInputException : Exception
{
    /// <summary>Creates the exception without a message.</summary>
    public InvalidInputException() { }

    /// <summary>Creates the exception with the sentence that a user reads.</summary>
    public InvalidInputException(string message) : base(message) { }

    /// <summary>Creates the exception with the sentence that a user reads and the cause.</summary>
    public InvalidInputException(string message, Exception innerException) : base(message, innerException) { }
}
