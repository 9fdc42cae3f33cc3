using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Cli;

/// <summary>The turns of Mellum's chat form, for checkpoints without a template.</summary>
internal static class BuiltInTemplate
{
    /// <summary>The token that ends a turn.</summary>
    public const string EndOfTurn = "<|im_end|>";

    private const string Text =
        "{% for message in messages %}"
        + "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
        + "{% endfor %}"
        + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

    /// <summary>The template.</summary>
    /// <exception cref="InvalidInputException">The tokenizer has no tokens for it.</exception>
    public static ChatTemplate Create(Tokenizer tokenizer)
    {
        foreach (string token in (string[])["<|im_start|>", EndOfTurn])
            if (!tokenizer.TryGetId(token, out _))
                throw new InvalidInputException($"The checkpoint has no chat template, and its tokenizer no token {token} for the usual one.");
        return ChatTemplate.Parse(Text, "The built-in chat template");
    }
}
