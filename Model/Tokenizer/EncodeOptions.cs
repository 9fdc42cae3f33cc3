namespace Mellum2.Managed.Model;

/// <summary>Which added tokens an encoder finds in a text; the others are ordinary text.</summary>
public enum AddedTokenMode
{
    /// <summary>None: every added token in the text is ordinary text. What a user typed cannot become a control token.</summary>
    None,

    /// <summary>Those that the file marks as not special (<c>&lt;think&gt;</c>, <c>&lt;tool_call&gt;</c>, …).</summary>
    NonSpecial,

    /// <summary>All: for text that is trusted to hold control tokens, such as a rendered chat template.</summary>
    All,
}

/// <summary>How a text is encoded. The default treats the text as ordinary text and adds nothing.</summary>
/// <param name="AddedTokens">Which added tokens are found in the text.</param>
/// <param name="PostProcess">Whether the file's post-processor adds its tokens, for instance a beginning-of-text token.</param>
public readonly record struct EncodeOptions(AddedTokenMode AddedTokens = AddedTokenMode.None, bool PostProcess = false)
{
    /// <summary>Ordinary text: no added token is found, nothing is added.</summary>
    public static EncodeOptions PlainText => default;

    /// <summary>A whole prompt that is trusted: every added token is found, and the post-processor adds its own.</summary>
    public static EncodeOptions Prompt => new(AddedTokenMode.All, PostProcess: true);
}
