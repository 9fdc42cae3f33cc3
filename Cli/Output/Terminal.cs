using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Spectre.Console;

namespace Mellum2.Managed.Cli;

/// <summary>
/// Where a command reads and writes. Results go to <see cref="Write(ReadOnlySpan{byte})"/> and its kin, everything else
/// to <see cref="Note"/>. Only what is a terminal gets colours, tables and lines that move.
/// </summary>
internal sealed class Terminal(Stream input, GuardedOutput output, TextWriter error, CancellationToken cancel)
{
    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false);
    private static readonly JsonWriterOptions s_json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public bool IsInputTerminal { get; init; }

    public bool IsOutputTerminal { get; init; }

    public bool IsErrorTerminal { get; init; }

    public Stream Input => input;

    public TextWriter Error => error;

    public CancellationToken Cancel => cancel;

    /// <summary>Writes a part of the result.</summary>
    public void Write(ReadOnlySpan<byte> utf8) => output.Write(utf8);

    /// <summary>Writes a part of the result.</summary>
    public void Write(string text) => output.Write(s_utf8.GetBytes(text));

    /// <summary>Writes a line of the result.</summary>
    public void WriteLine(string text) => Write(text + "\n");

    /// <summary>Writes one JSON object on a line of its own.</summary>
    public void WriteJson(Action<Utf8JsonWriter> write)
    {
        using MemoryStream line = new();
        using (Utf8JsonWriter json = new(line, s_json))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }
        line.WriteByte((byte)'\n');
        output.Write(line.GetBuffer().AsSpan(0, (int)line.Length));
    }

    /// <summary>A table on a terminal, else lines whose cells are separated by tabs, with no heading.</summary>
    public void WriteTable(IReadOnlyList<string> heading, IEnumerable<IReadOnlyList<string>> rows)
    {
        if (!IsOutputTerminal)
        {
            foreach (IReadOnlyList<string> row in rows)
                WriteLine(string.Join('\t', row));
            return;
        }
        Table table = new() { Border = TableBorder.Rounded };
        foreach (string name in heading)
            table.AddColumn(new TableColumn(new Text(name)));
        foreach (IReadOnlyList<string> row in rows)
            table.AddRow(row.Select(cell => new Text(cell)));
        using StreamWriter writer = OpenWriter();
        AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(writer) }).Write(table);
    }

    /// <summary>A sentence beside the result.</summary>
    public void Note(string line)
    {
        error.WriteLine(line);
        error.Flush();
    }

    /// <summary>A writer to the result for code that wants one; disposing of it flushes.</summary>
    public StreamWriter OpenWriter() => new(output, s_utf8, leaveOpen: true);
}
