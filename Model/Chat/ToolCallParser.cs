using System.Text;
using System.Text.Json;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

/// <summary>A finished answer without its tool calls, and the calls in the order in which they stand.</summary>
/// <param name="Content">The text outside the calls, without white space at its ends.</param>
/// <param name="ToolCalls">The calls; empty for none.</param>
public sealed record ToolCallParserResult(string Content, IReadOnlyList<ChatToolCall> ToolCalls);

/// <summary>
/// Reads <c>&lt;tool_call&gt;{"name": …, "arguments": {…}}&lt;/tool_call&gt;</c> blocks (the Hermes form) from a finished
/// answer. Thinking must have been split off before: a call that the model only thinks about is none.
/// </summary>
public static class ToolCallParser
{
    private const string OpenTag = "<tool_call>";
    private const string CloseTag = "</tool_call>";

    private static readonly JsonDocumentOptions s_options = new() { MaxDepth = 64 };

    /// <summary>Reads the calls of an answer.</summary>
    /// <param name="answer">The assistant's text.</param>
    /// <exception cref="InvalidInputException">A block is not closed, is no JSON object, or lacks a name.</exception>
    public static ToolCallParserResult Parse(string answer)
    {
        StringBuilder content = new();
        List<ChatToolCall> calls = [];
        int at = 0;
        for (int open; (open = answer.IndexOf(OpenTag, at, StringComparison.Ordinal)) >= 0;)
        {
            content.Append(answer, at, open - at);
            int start = open + OpenTag.Length;
            calls.Add(ReadCall(answer, start, calls.Count + 1, out at));
        }
        content.Append(answer, at, answer.Length - at);
        return new ToolCallParserResult(content.ToString().Trim(), calls);
    }

    /// <summary>Reads one call; a string of its arguments may hold the closing tag, so the JSON value is read first.</summary>
    private static ChatToolCall ReadCall(string answer, int start, int number, out int end)
    {
        byte[] json = Encoding.UTF8.GetBytes(answer[start..]);
        JsonElement call;
        try
        {
            Utf8JsonReader reader = new(json, new JsonReaderOptions { MaxDepth = s_options.MaxDepth, AllowMultipleValues = true });
            using JsonDocument document = JsonDocument.ParseValue(ref reader);
            call = document.RootElement.Clone();
            end = start + Encoding.UTF8.GetCharCount(json, 0, (int)reader.BytesConsumed);
        }
        catch (JsonException e)
        {
            throw new InvalidInputException($"Tool call {number} of the answer holds no valid JSON: expected {{\"name\": …, \"arguments\": {{…}}}} after {OpenTag}.", e);
        }
        while (end < answer.Length && char.IsWhiteSpace(answer[end])) end++;
        if (string.CompareOrdinal(answer, end, CloseTag, 0, CloseTag.Length) != 0)
            throw new InvalidInputException($"Tool call {number} of the answer is not closed: expected {CloseTag} after its JSON object.");
        end += CloseTag.Length;
        if (call.ValueKind != JsonValueKind.Object || !call.TryGetProperty("name", out JsonElement name) || name.ValueKind != JsonValueKind.String)
            throw new InvalidInputException($"Tool call {number} of the answer must be a JSON object with a text 'name'.");
        JsonElement arguments = call.TryGetProperty("arguments", out JsonElement given) ? given : JsonDocument.Parse("{}").RootElement;
        return new ChatToolCall((string)PythonJson.FromJson(name)!, arguments, null);
    }
}
