namespace Mellum2.Managed.Training;

/// <summary>Which files of a corpus are read and how.</summary>
public sealed record SourceOptions
{
    /// <summary>The most bytes that one document may have.</summary>
    public const int MaximumDocumentBytes = 1 << 28;

    /// <summary>
    /// The extensions of files that are taken out of folders, as <c>cs</c>, <c>.cs</c> or <c>*.cs</c>; empty takes all. An extension
    /// also stands for the compressed file: <c>.cs</c> takes <c>a.cs.gz</c>. Files that are named themselves are always taken.
    /// </summary>
    public IReadOnlyList<string> Extensions { get; init; } = [];

    /// <summary>The key of a JSON line whose value is the document.</summary>
    public string TextField { get; init; } = "text";

    /// <summary>Whether a document that is no text is refused; otherwise it is left out, counted and named.</summary>
    public bool IsStrict { get; init; }
}

/// <summary>Why a document is left out.</summary>
public enum SkipReason
{
    /// <summary>It is not left out.</summary>
    None,

    /// <summary>There is a zero byte among its first 8,192.</summary>
    Binary,

    /// <summary>It is not valid UTF-8, or holds half a surrogate pair in JSON.</summary>
    InvalidUtf8,

    /// <summary>The line is no JSON object.</summary>
    InvalidJson,

    /// <summary>The JSON object has no string under the key.</summary>
    NoText,
}

/// <summary>A document that was left out.</summary>
/// <param name="Where">The file, and the line if it has lines.</param>
/// <param name="Reason">Why.</param>
public readonly record struct SkippedDocument(string Where, SkipReason Reason)
{
    /// <summary>One sentence.</summary>
    public override string ToString() => Reason switch
    {
        SkipReason.Binary => $"{Where} is a binary file, text is expected.",
        SkipReason.InvalidUtf8 => $"{Where} is not valid UTF-8.",
        SkipReason.InvalidJson => $"{Where} is no JSON object.",
        _ => $"{Where} has no text under the key that was asked for.",
    };
}
