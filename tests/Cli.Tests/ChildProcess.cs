using System.Diagnostics;
using System.Globalization;

namespace Mellum2.Managed.Cli.Tests;

/// <summary>The command in a process of its own.</summary>
internal static class ChildProcess
{
    /// <summary>Starts the command with all streams redirected.</summary>
    /// <param name="environment">Variables beside those of the tests.</param>
    /// <param name="args">The arguments.</param>
    public static Process Start(IEnumerable<KeyValuePair<string, string>> environment, params string[] args)
    {
        string[] command = ["dotnet", typeof(Program).Assembly.Location, .. args];
        // Tests that a script runs in the background have Ctrl+C ignored, and so has everything that they start.
        if (OperatingSystem.IsLinux())
            command = ["env", "--default-signal=INT", .. command];
        ProcessStartInfo start = new(command[0], command[1..])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string name, string value) in environment)
            start.Environment[name] = value;
        return Process.Start(start)!;
    }

    /// <summary>Presses Ctrl+C.</summary>
    public static async Task Interrupt(Process child)
    {
        using Process kill = Process.Start("kill", ["-INT", child.Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync();
    }
}
