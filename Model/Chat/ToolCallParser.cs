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
    private const int MaxDepth = 64;

    private static readonly JsonElement s_noArguments = JsonDocument.Parse("{}").RootElement;

    private static ReadOnlySpan<byte> OpenTag => "<tool_call>"u8;

    private static ReadOnlySpan<byte> CloseTag => "</tool_call>"u8;

    /// <summary>Reads the calls of an answer.</summary>
    /// <param name="answer">The assistant's text.</param>
    /// <exception cref="InvalidInputException">A block is not closed, is no JSON object, or lacks a name.</exception>
    public static ToolCallParserResult Parse(string answer)
    {
        ReadOnlySpan<byte> rest = Encoding.UTF8.GetBytes(answer);
        StringBuilder content = new();
        List<ChatToolCall> calls = [];
        for (int open; (open = rest.IndexOf(OpenTag)) >= 0;)
        {
            content.Append(Encoding.UTF8.GetString(rest[..open]));
            rest = rest[(open + OpenTag.Length)..];
            calls.Add(ReadCall(ref rest, calls.Count + 1));
        }
        content.Append(Encoding.UTF8.GetString(rest));
        return new ToolCallParserResult(content.ToString().Trim(), calls);
    }

    /// <summary>Reads a call and its closing tag. A string of the call may hold that tag, so the JSON value is read first.</summary>
    private static ChatToolCall ReadCall(ref ReadOnlySpan<byte> rest, int number)
    {
        JsonElement call;
        try
        {
            Utf8JsonReader reader = new(rest, new JsonReaderOptions { MaxDepth = MaxDepth });
            call = JsonElement.ParseValue(ref reader);
            rest = rest[(int)reader.BytesConsumed..].TrimStart(" \t\r\n"u8);
        }
        catch (JsonException e)
        {
            throw new InvalidInputException($"Tool call {number} of the answer holds no valid JSON: expected {{\"name\": …, \"arguments\": {{…}}}} after <tool_call>.", e);
        }
        if (!rest.StartsWith(CloseTag))
            throw new InvalidInputException($"Tool call {number} of the answer is not closed: expected </tool_call> after its JSON object.");
        rest = rest[CloseTag.Length..];
        if (call.ValueKind != JsonValueKind.Object || !call.TryGetProperty("name", out JsonElement name) || name.ValueKind != JsonValueKind.String)
            throw new InvalidInputException($"Tool call {number} of the answer must be a JSON object with a text 'name'.");
        return new ChatToolCall((string)PythonJson.FromJson(name)!, call.TryGetProperty("arguments", out JsonElement arguments) ? arguments : s_noArguments);
    }
}
