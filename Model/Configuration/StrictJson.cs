using System.Text.Json;
using System.Text.Unicode;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

/// <summary>Reads small JSON files without the tolerance of the standard reader: no duplicate key, no broken text.</summary>
internal static class StrictJson
{
    private const long MaximumBytes = 64 << 20;
    private const int MaximumDepth = 16;

    /// <summary>Reads the whole file; the caller disposes of the document.</summary>
    /// <exception cref="InvalidInputException">The file is missing, too large or not strict JSON.</exception>
    public static JsonDocument Read(string path)
    {
        byte[] bytes;
        try
        {
            using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            if (stream.Length > MaximumBytes)
                throw new InvalidInputException($"{path} has {stream.Length:N0} bytes, but at most {MaximumBytes:N0} are expected.");
            bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"The file {path} cannot be read: {e.Message}", e);
        }
        return Parse(bytes, path);
    }

    /// <summary>Parses UTF-8 text; <paramref name="name"/> stands for it in messages.</summary>
    public static JsonDocument Parse(ReadOnlyMemory<byte> utf8, string name)
    {
        if (utf8.Span.StartsWith("\uFEFF"u8))
            utf8 = utf8[3..];
        if (!Utf8.IsValid(utf8.Span))
            throw new InvalidInputException($"{name} is not valid UTF-8.");
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(utf8, new JsonDocumentOptions { MaxDepth = MaximumDepth });
        }
        catch (JsonException e)
        {
            throw new InvalidInputException(
                $"{name} is not valid JSON of at most {MaximumDepth} levels (line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}).", e);
        }
        try
        {
            RefuseDuplicates(document.RootElement, name);
            return document;
        }
        catch
        {
            document.Dispose();
            throw;
        }
    }

    /// <summary>The text of a string value.</summary>
    public static string Text(JsonElement element, string where)
    {
        try
        {
            return element.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw new InvalidInputException($"{where} has a string that is not valid Unicode.", e);
        }
    }

    /// <summary>The name of a property.</summary>
    public static string Name(JsonProperty property, string where)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException e)
        {
            throw new InvalidInputException($"{where} has a key that is not valid Unicode.", e);
        }
    }

    /// <summary>The beginning of a value as it is written in the file, for messages.</summary>
    public static string Excerpt(JsonElement element)
    {
        const int length = 60;
        string raw = element.GetRawText();
        return raw.Length <= length ? raw : raw[..length] + "…";
    }

    private static void RefuseDuplicates(JsonElement element, string where)
    {
        if (element.ValueKind == JsonValueKind.Object)
        {
            HashSet<string> names = new(StringComparer.Ordinal);
            foreach (JsonProperty property in element.EnumerateObject())
            {
                string name = Name(property, where);
                if (!names.Add(name))
                    throw new InvalidInputException($"{where} has the key \"{name}\" twice.");
                RefuseDuplicates(property.Value, where);
            }
        }
        else if (element.ValueKind == JsonValueKind.Array)
        {
            foreach (JsonElement item in element.EnumerateArray())
                RefuseDuplicates(item, where);
        }
    }
}
