using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Training;

/// <summary>A token that training does not find but is given: it gets the lowest ids.</summary>
/// <param name="Content">Its text.</param>
/// <param name="IsControl">Whether it is a control token, which decoding can leave out, and not text.</param>
public readonly record struct SpecialToken(string Content, bool IsControl = true)
{
    /// <summary>The 35 of Mellum 2, in the order of their ids.</summary>
    public static IReadOnlyList<SpecialToken> OfMellum { get; } =
    [
        new("<|endoftext|>"), new("<assistant>"), new("</assistant>"), new("<commit_before>"), new("<commit_after>"),
        new("<commit_msg>"), new("<empty_output>"), new("<filename>"), new("<fim_prefix>"), new("<fim_middle>"),
        new("<fim_suffix>"), new("<fim_pad>"), new("<gh_stars>"), new("<issue_start>"), new("<issue_comment>"),
        new("<issue_closed>"), new("<jupyter_text>"), new("<jupyter_code>"), new("<jupyter_start>"), new("<jupyter_output>"),
        new("<reponame>"), new("<system>"), new("</system>"), new("<think>", IsControl: false), new("</think>", IsControl: false),
        new("<user>"), new("</user>"), new("<|im_start|>"), new("<|im_end|>"), new("<tool_call>", IsControl: false),
        new("</tool_call>", IsControl: false), new("<tool_response>", IsControl: false), new("</tool_response>", IsControl: false),
        new("<|extra_token_7|>"), new("<|extra_token_8|>"),
    ];

    internal static void Require(IReadOnlyList<SpecialToken> tokens)
    {
        HashSet<string> seen = new(StringComparer.Ordinal);
        foreach (SpecialToken token in tokens)
        {
            // One character could be the symbol of a byte.
            if (token.Content is null || token.Content.Length < 2)
                throw new InvalidInputException($"The special token \"{token.Content}\" is too short; at least two characters are expected.");
            if (!seen.Add(token.Content))
                throw new InvalidInputException($"The special token {token.Content} is given twice.");
        }
    }
}
