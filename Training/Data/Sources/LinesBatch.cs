using System.Buffers;
using System.Text.Json;

namespace Mellum2.Managed.Training;

/// <summary>Whole lines of a JSON Lines file. Lines of nothing but white space are no documents.</summary>
internal sealed class LinesBatch : SourceBatch
{
    private readonly SourceFile _file;
    private readonly SourceOptions _options;
    private readonly byte[] _lines;
    private readonly long _firstLine;

    private LinesBatch(SourceFile file, SourceOptions options, byte[] lines, long firstLine, long storedBytes) : base(storedBytes)
    {
        _file = file;
        _options = options;
        _lines = lines;
        _firstLine = firstLine;
    }

    /// <summary>Cuts a file into batches of whole lines.</summary>
    /// <param name="file">The file.</param>
    /// <param name="options">The key of the text.</param>
    /// <param name="leastBytes">The bytes (uncompressed) of a batch, but for its last line.</param>
    public static IEnumerable<SourceBatch> Cut(SourceFile file, SourceOptions options, int leastBytes)
    {
        ArrayBufferWriter<byte> rest = new();
        long line = 1, stored = 0;
        byte[] chunk = new byte[leastBytes];
        using Stream stream = Guard(file, file.Open);
        int read;
        while ((read = Guard(file, () => stream.ReadAtLeast(chunk, chunk.Length, throwOnEndOfStream: false))) > 0)
        {
            int end = chunk.AsSpan(0, read).LastIndexOf((byte)'\n') + 1;
            rest.Write(chunk.AsSpan(0, end));
            if (end > 0)
            {
                byte[] lines = rest.WrittenSpan.ToArray();
                // Where compression makes progress unknown it ends with the last batch, which stands for what is left.
                long share = Math.Min(lines.Length, file.ByteLength - stored);
                stored += share;
                yield return new LinesBatch(file, options, lines, line, share);
                line += lines.AsSpan().Count((byte)'\n');
                rest.ResetWrittenCount();
            }
            rest.Write(chunk.AsSpan(end, read - end));
            if (rest.WrittenCount > SourceOptions.MaximumDocumentBytes)
                throw TooLong($"{file.Path}, line {line}");
        }
        if (rest.WrittenCount > 0)
            yield return new LinesBatch(file, options, rest.WrittenSpan.ToArray(), line, file.ByteLength - stored);
    }

    public override IEnumerable<SourceDocument> Documents()
    {
        long number = _firstLine;
        for (int start = 0; start < _lines.Length; number++)
        {
            int length = _lines.AsSpan(start).IndexOf((byte)'\n');
            int end = length < 0 ? _lines.Length : start + length;
            ReadOnlyMemory<byte> line = _lines.AsMemory(start, end - start);
            start = end + 1;
            if (number == 1 && line.Span.StartsWith("\uFEFF"u8))
                line = line[3..];
            if (line.Span.Trim(" \t\r"u8).Length > 0)
                yield return Parse(line.Span, $"{_file.Path}, line {number}");
        }
    }

    private SourceDocument Parse(ReadOnlySpan<byte> line, string where)
    {
        if (!System.Text.Unicode.Utf8.IsValid(line))
            return new SourceDocument(default, where, SkipReason.InvalidUtf8);
        try
        {
            byte[]? text = FindText(line);
            return text is null ? new SourceDocument(default, where, SkipReason.NoText) : new SourceDocument(text, where, SkipReason.None);
        }
        catch (JsonException)
        {
            return new SourceDocument(default, where, SkipReason.InvalidJson);
        }
        catch (InvalidOperationException)
        {
            // How the JSON reader reports half a surrogate pair.
            return new SourceDocument(default, where, SkipReason.InvalidUtf8);
        }
    }

    /// <summary>The string under the key; of equal keys the last. The whole line is read, so that broken JSON is found.</summary>
    private byte[]? FindText(ReadOnlySpan<byte> line)
    {
        Utf8JsonReader reader = new(line);
        byte[]? text = null;
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
            throw new JsonException();
        while (reader.Read())
        {
            if (reader.CurrentDepth != 1 || reader.TokenType != JsonTokenType.PropertyName || !reader.ValueTextEquals(_options.TextField))
                continue;
            reader.Read();
            if (reader.TokenType != JsonTokenType.String)
            {
                text = null;
                reader.Skip();
                continue;
            }
            byte[] buffer = new byte[reader.ValueSpan.Length];
            int length = reader.CopyString(buffer);
            text = length == buffer.Length ? buffer : buffer[..length];
        }
        return text;
    }

    private static T Guard<T>(SourceFile file, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (SourceFile.IsReadError(e))
        {
            throw file.Unreadable(e);
        }
    }
}
