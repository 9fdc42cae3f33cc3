namespace Mellum2.Managed.Model;

/// <summary>What a <c>tokenizer.json</c> says, ready for use and never changed after loading.</summary>
internal sealed class TokenizerParts
{
    /// <summary>All tokens.</summary>
    public required Vocabulary Vocabulary { get; init; }

    /// <summary>The merges.</summary>
    public required MergeTable Merges { get; init; }

    /// <summary>The id of each byte's symbol.</summary>
    public required int[] ByteIds { get; init; }

    /// <summary>With <c>ignore_merges</c>: the words that are one token without merging; otherwise null.</summary>
    public required ByteStringMap? WholeWords { get; init; }

    /// <summary>How text is cut into words.</summary>
    public required PreTokenizer PreTokenizer { get; init; }

    /// <summary>Whether text is brought to normalization form C.</summary>
    public required bool UseNfc { get; init; }

    /// <summary>The added tokens that are looked for in the raw text.</summary>
    public required AddedTokenMatcher RawTokens { get; init; }

    /// <summary>The added tokens that are looked for in normalized text.</summary>
    public required AddedTokenMatcher NormalizedTokens { get; init; }

    /// <summary>The ids that the post-processor puts before a text.</summary>
    public required int[] Prefix { get; init; }

    /// <summary>The ids that the post-processor puts after a text.</summary>
    public required int[] Suffix { get; init; }
}
