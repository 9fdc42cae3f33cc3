using System.Text.Json;

namespace Mellum2.Managed.Model;

/// <summary>A call of a tool that the assistant made.</summary>
/// <param name="Name">The tool's name.</param>
/// <param name="Arguments">The arguments, normally a JSON object.</param>
/// <param name="Id">The call's identifier, or null.</param>
public sealed record ChatToolCall(string Name, JsonElement Arguments, string? Id = null);

/// <summary>One message of a conversation.</summary>
/// <param name="Role">Who speaks: <c>system</c>, <c>user</c>, <c>assistant</c> or <c>tool</c>.</param>
/// <param name="Content">The text; null when there is none, for example beside tool calls.</param>
public sealed record ChatMessage(string Role, string? Content)
{
    /// <summary>What the assistant thought before it answered; null for nothing.</summary>
    public string? ReasoningContent { get; init; }

    /// <summary>The calls of tools that the assistant made; empty for none.</summary>
    public IReadOnlyList<ChatToolCall> ToolCalls { get; init; } = [];

    /// <summary>In a tool's message, the identifier of the call that it answers; null when calls have none.</summary>
    public string? ToolCallId { get; init; }

    /// <summary>The message as a template sees it; what is null or empty is left out.</summary>
    internal object ToTemplateValue()
    {
        JinjaDict message = new();
        message.Items["role"] = Role;
        if (Content is not null) message.Items["content"] = Content;
        if (ReasoningContent is not null) message.Items["reasoning_content"] = ReasoningContent;
        if (ToolCalls.Count > 0) message.Items["tool_calls"] = new JinjaList([.. ToolCalls.Select(ToTemplateValue)]);
        if (ToolCallId is not null) message.Items["tool_call_id"] = ToolCallId;
        return message;
    }

    private static JinjaDict ToTemplateValue(ChatToolCall call)
    {
        JinjaDict function = new(), value = new();
        function.Items["name"] = call.Name;
        function.Items["arguments"] = PythonJson.FromJson(call.Arguments);
        if (call.Id is not null) value.Items["id"] = call.Id;
        value.Items["type"] = "function";
        value.Items["function"] = function;
        return value;
    }

    /// <summary>
    /// A message of a JSON request as transformers 5 hands it to templates: without the keys whose value is null, and with
    /// <c>reasoning</c> or <c>thinking</c> also under <c>reasoning_content</c> unless that is there.
    /// </summary>
    internal static object? Prepare(object? message)
    {
        if (message is not JinjaDict given) return message;
        JinjaDict prepared = new();
        foreach ((object key, object? value) in given.Items)
            if (value is not null) prepared.Items[key] = value;
        if (!prepared.Items.ContainsKey("reasoning_content")
            && (prepared.Items.TryGetValue("reasoning", out object? reasoning) || prepared.Items.TryGetValue("thinking", out reasoning)))
        {
            prepared.Items["reasoning_content"] = reasoning;
        }
        return prepared;
    }
}
