using System.Globalization;

namespace Mellum2.Managed.GpuCheck;

/// <summary>What somebody who waits sees: a line for each check, and on a terminal the one that is running.</summary>
/// <param name="output">The console.</param>
/// <param name="isTerminal">Whether lines may be wiped off.</param>
internal sealed class ConsoleLines(TextWriter output, bool isTerminal)
{
    private const string Wipe = "\r\e[K";
    private string _section = "";

    /// <summary>A check begins.</summary>
    public void Start(Check check)
    {
        if (check.Section != _section)
            output.WriteLine($"{(_section.Length == 0 ? "" : "\n")}{check.Section}");
        _section = check.Section;
        if (isTerminal)
            output.Write($"{Wipe}  {check.Name} …");
        output.Flush();
    }

    /// <summary>A check has ended.</summary>
    public void End(CheckResult result)
    {
        if (isTerminal)
            output.Write(Wipe);
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"  {result.Check.Name}: {Word(result.Outcome.Verdict)}: {result.Outcome.Text} ({result.Seconds:F1} s)"));
        foreach (Measurement number in result.Outcome.Measurements)
            output.WriteLine($"    {number.What}: {Report.Number(number.Value)} {number.Unit}{(number.Predicted is { } predicted ? $" (predicted: {Report.Number(predicted)})" : "")}");
        output.Flush();
    }

    /// <summary>A sentence between the checks.</summary>
    public void Note(string text)
    {
        output.WriteLine(isTerminal ? Wipe + text : text);
        output.Flush();
    }

    internal static string Word(Verdict verdict) => verdict switch
    {
        Verdict.Passed => "passed",
        Verdict.Failed => "FAILED",
        _ => "skipped",
    };
}
