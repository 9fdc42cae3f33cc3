using System.Text.Json;
using Mellum2.Managed.Training;

namespace Mellum2.Managed.Cli;

/// <summary>What a run over a corpus found, in words and as JSON.</summary>
internal static class CorpusNotes
{
    /// <summary>Names what was left out, on standard error.</summary>
    public static void Warn(Terminal terminal, CorpusReport report)
    {
        foreach (SkippedDocument skipped in report.Named)
            terminal.Note($"Left out: {skipped}");
        if (report.Skipped > report.Named.Count)
            terminal.Note($"Left out: {Quantity.Count(report.Skipped - report.Named.Count)} more that are no text.");
    }

    /// <summary>Writes <c>documents</c>, <c>bytes</c>, <c>left_out</c> and <c>empty</c>.</summary>
    public static void Write(Utf8JsonWriter json, CorpusReport report)
    {
        json.WriteNumber("documents", report.Documents);
        json.WriteNumber("bytes", report.Bytes);
        json.WriteNumber("left_out", report.Skipped);
        json.WriteNumber("empty", report.Empty);
    }
}

/// <summary>Passes a value on at once, on the thread that reports it.</summary>
internal sealed class DirectProgress<T>(Action<T> report) : IProgress<T>
{
    /// <inheritdoc/>
    public void Report(T value) => report(value);
}
