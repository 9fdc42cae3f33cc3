using System.Text.Json;

namespace Mellum2.Managed.Model;

/// <summary>What a chat template is given beside the messages.</summary>
public sealed record ChatTemplateOptions
{
    /// <summary>The tools that the model may call, a JSON array of their descriptions; null for none.</summary>
    public JsonElement? Tools { get; init; }

    /// <summary>Whether the text ends with the start of the assistant's turn.</summary>
    public bool AddGenerationPrompt { get; init; } = true;

    /// <summary>The variable <c>enable_thinking</c>; null leaves it undefined, which is the template's own default.</summary>
    public bool? EnableThinking { get; init; }

    /// <summary>Further variables of the template by name; they take precedence over all others.</summary>
    public IReadOnlyDictionary<string, JsonElement> Variables { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary>The clock behind <c>strftime_now</c>.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}
