namespace Mellum2.Managed.Model;

/// <summary>A token that is looked for in the text itself, before anything splits or merges it.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Content">Its text.</param>
internal sealed record AddedToken(int Id, string Content)
{
    /// <summary>Whether it is a control token: left out by decoding that skips special tokens.</summary>
    public bool Special { get; init; }

    /// <summary>Whether a word character directly before or after it rejects a match.</summary>
    public bool SingleWord { get; init; }

    /// <summary>Whether it swallows the white space before it.</summary>
    public bool LeftStrip { get; init; }

    /// <summary>Whether it swallows the white space after it.</summary>
    public bool RightStrip { get; init; }

    /// <summary>Whether it is looked for in normalized text (its content normalized too) and not in the raw text.</summary>
    public bool Normalized { get; init; }
}
