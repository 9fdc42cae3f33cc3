using System.Text.Json;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

/// <summary>
/// A checkpoint's chat template: turns a conversation into the text that the model continues. The template is Jinja and
/// is rendered as jinja2 3.1 renders it for <c>transformers</c> (trim_blocks, lstrip_blocks, loop controls, immutable
/// sandbox). What it may cost is limited, and what is not supported is refused with its name and line.
/// </summary>
public sealed class ChatTemplate
{
    private readonly IReadOnlyList<JinjaStatement> _body;
    private readonly JinjaLimits _limits;
    private readonly IReadOnlyDictionary<string, object?> _tokens;
    private readonly ChatTemplate? _toolUse;

    private ChatTemplate(string name, IReadOnlyList<JinjaStatement> body, JinjaLimits limits, IReadOnlyDictionary<string, object?> tokens, ChatTemplate? toolUse)
    {
        Name = name;
        _body = body;
        _limits = limits;
        _tokens = tokens;
        _toolUse = toolUse;
    }

    /// <summary>What error messages call the template: its file.</summary>
    public string Name { get; }

    /// <summary>
    /// Reads the template of a checkpoint: <c>chat_template.jinja</c>, else <c>chat_template</c> of
    /// <c>tokenizer_config.json</c> (a text, or a list of named templates of which "default" is taken, and "tool_use" when
    /// tools are given). The special tokens of <c>tokenizer_config.json</c> become variables of the template.
    /// </summary>
    /// <param name="folder">The checkpoint's folder.</param>
    /// <returns>The template, or null if the checkpoint has none.</returns>
    /// <exception cref="InvalidInputException">A file is damaged or the template uses something that is not supported.</exception>
    public static ChatTemplate? Load(string folder)
    {
        ChatTemplateFiles files = ChatTemplateFiles.Read(folder);
        if (files.Default is not (string text, string name)) return null;
        ChatTemplate? toolUse = files.ToolUse is (string toolText, string toolName) ? Create(toolText, toolName, JinjaLimits.Default, files.Tokens, null) : null;
        return Create(text, name, JinjaLimits.Default, files.Tokens, toolUse);
    }

    /// <summary>Parses a template that stands alone; it sees no special tokens.</summary>
    /// <param name="text">The template's source.</param>
    /// <param name="name">What error messages call it.</param>
    /// <exception cref="InvalidInputException">The template is wrong or uses something that is not supported.</exception>
    public static ChatTemplate Parse(string text, string name) => Parse(text, name, JinjaLimits.Default);

    internal static ChatTemplate Parse(string text, string name, JinjaLimits limits) => Create(text, name, limits, new Dictionary<string, object?>(), null);

    private static ChatTemplate Create(string text, string name, JinjaLimits limits, IReadOnlyDictionary<string, object?> tokens, ChatTemplate? toolUse) =>
        new(name, JinjaParser.Parse(text, name, limits), limits, tokens, toolUse);

    /// <summary>Renders a conversation.</summary>
    /// <param name="messages">The messages, oldest first.</param>
    /// <param name="options">Tools, the generation prompt and other variables; null for a generation prompt and nothing else.</param>
    /// <exception cref="InvalidInputException">The template refuses the conversation, fails, or exceeds its limits.</exception>
    public string Render(IReadOnlyList<ChatMessage> messages, ChatTemplateOptions? options = null) =>
        Render(new JinjaList([.. messages.Select(message => message.ToTemplateValue())]), options ?? new ChatTemplateOptions());

    /// <summary>
    /// Renders a conversation given as JSON: an array of messages as the chat completion protocols have them. Keys of a
    /// message whose value is null are dropped, and <c>reasoning</c> or <c>thinking</c> is also given as <c>reasoning_content</c>.
    /// </summary>
    /// <inheritdoc cref="Render(IReadOnlyList{ChatMessage}, ChatTemplateOptions?)"/>
    public string Render(JsonElement messages, ChatTemplateOptions? options = null)
    {
        if (messages.ValueKind != JsonValueKind.Array) throw new InvalidInputException($"The messages of a conversation must be a JSON array, not {messages.ValueKind}.");
        JinjaList list = (JinjaList)PythonJson.FromJson(messages)!;
        return Render(new JinjaList([.. list.Items.Select(ChatMessage.Prepare)]), options ?? new ChatTemplateOptions());
    }

    private string Render(JinjaList messages, ChatTemplateOptions options)
    {
        object? tools = options.Tools is JsonElement given ? PythonJson.FromJson(given) : null;
        if (tools is not null and not JinjaList) throw new InvalidInputException("The tools of a conversation must be a JSON array.");
        if (tools is not null && _toolUse is not null) return _toolUse.Render(messages, options);

        JinjaScope globals = new(null);
        JinjaGlobals.AddTo(globals);
        globals.Set("messages", messages);
        globals.Set("tools", tools);
        globals.Set("documents", null);
        globals.Set("add_generation_prompt", options.AddGenerationPrompt);
        foreach ((string name, object? value) in _tokens) globals.Set(name, value);
        if (options.EnableThinking is bool thinking) globals.Set("enable_thinking", thinking);
        foreach ((string name, JsonElement value) in options.Variables) globals.Set(name, PythonJson.FromJson(value));

        JinjaRuntime runtime = new(Name, _limits, options.Clock);
        try
        {
            return new JinjaEvaluator(runtime).Render(_body, globals);
        }
        catch (InsufficientExecutionStackException e)
        {
            throw new InvalidInputException($"{Name}, line {runtime.Line}: a value is nested too deeply.", e);
        }
    }
}
