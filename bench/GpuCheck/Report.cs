using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.GpuCheck;

/// <summary>What was found, as Markdown.</summary>
internal static class Report
{
    /// <summary>The report of a run, ended or not.</summary>
    public static string Text(CheckRun run, CheckedDevice device, DateTimeOffset time)
    {
        StringBuilder text = new();
        text.AppendLine("# gpu-check").AppendLine();
        Append(text, ["", ""], About(device, time));
        text.AppendLine().AppendLine($"**{Counts(run)}**");
        if (run.Lost is { } lost)
            text.AppendLine().AppendLine($"{lost}.");
        if (run.IsCancelled)
            text.AppendLine().AppendLine("Ended early by the user: the checks that follow were not run.");
        if (run.Running is { } running)
            text.AppendLine().AppendLine($"Not at its end: \"{running.Section}: {running.Name}\" was running. If the program is gone, it went there.");
        foreach (IGrouping<string, CheckResult> section in run.Results.GroupBy(result => result.Check.Section))
        {
            text.AppendLine().AppendLine($"## {section.Key}").AppendLine();
            Append(text, ["check", "", "", "s"], section.Select(result => (string[])
                [result.Check.Name, ConsoleLines.Word(result.Outcome.Verdict), result.Outcome.Text, Number(result.Seconds)]));
            Measurement[] numbers = [.. section.SelectMany(result => result.Outcome.Measurements)];
            if (numbers.Length == 0)
                continue;
            text.AppendLine();
            Append(text, ["measured", "", "unit", "predicted", "measured / predicted"], numbers.Select(number => (string[])
            [
                number.What, Number(number.Value), number.Unit, number.Predicted is { } predicted ? Number(predicted) : "",
                number.Predicted is > 0 and { } least ? Number(number.Value / least) : "",
            ]));
        }
        return text.ToString();
    }

    /// <summary>The last line of the console.</summary>
    public static string Counts(CheckRun run) =>
        $"{run.Count(Verdict.Passed)} passed, {run.Count(Verdict.Failed)} failed, {run.Count(Verdict.Skipped)} skipped";

    /// <summary>A number as people read it.</summary>
    public static string Number(double value) =>
        value.ToString(Math.Abs(value) switch { >= 1000 => "N0", >= 10 => "F1", >= 0.1 => "F2", _ => "G3" }, CultureInfo.InvariantCulture);

    private static IEnumerable<string[]> About(CheckedDevice device, DateTimeOffset time)
    {
        GpuDescription about = device.Description;
        yield return ["device", $"{about.Name}, {about.Model}"];
        yield return ["memory", string.Create(CultureInfo.InvariantCulture, $"{about.MemoryBytes:N0} bytes")];
        yield return ["driver", about.Driver];
        yield return ["capability", about.Capability];
        yield return ["kernels", $"{GpuKernels.UnitsOf(about)}, {GpuKernels.Float8UnitsOf(about)}"];
        yield return ["host", $"{Environment.ProcessorCount} processors, {RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}"];
        yield return ["program", $"{typeof(Report).Assembly.GetName().Version?.ToString(3)}, {device.Extent switch { Extent.Full => "everything", Extent.Quick => "--quick", _ => "the emulator's small cases" }}"];
        yield return ["time", time.ToUniversalTime().ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture)];
    }

    private static void Append(StringBuilder text, string[] heading, IEnumerable<string[]> rows)
    {
        AppendRow(text, heading);
        AppendRow(text, [.. heading.Select(_ => "---")]);
        foreach (string[] row in rows)
            AppendRow(text, row);
    }

    private static void AppendRow(StringBuilder text, string[] cells) =>
        text.AppendLine($"| {string.Join(" | ", cells.Select(cell => cell.Replace("|", "\\|", StringComparison.Ordinal)))} |");
}
