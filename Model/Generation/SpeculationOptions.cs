namespace Mellum2.Managed.Model;

/// <summary>Who drafts.</summary>
public enum DraftKind
{
    /// <summary>
    /// The MTP head where the checkpoint has one and, if the number of drafts is left open, where drafting with it can pay
    /// (it reads weights, which a model that lives in the caches does not wait for); else prompt look-up.
    /// </summary>
    Auto,

    /// <summary>Nobody: plain decoding.</summary>
    None,

    /// <summary>The MTP head.</summary>
    Mtp,

    /// <summary>Prompt look-up.</summary>
    Lookup,
}

/// <summary>How to speculate.</summary>
/// <param name="Kind">Who drafts.</param>
/// <param name="DraftTokens">Tokens drafted per pass; null lets the number follow the acceptance.</param>
public sealed record SpeculationOptions(DraftKind Kind, int? DraftTokens = null)
{
    /// <summary>The most tokens that are drafted in one pass.</summary>
    public const int MostDrafts = 7;

    /// <summary>Plain decoding.</summary>
    public static SpeculationOptions Off { get; } = new(DraftKind.None);
}

/// <summary>What speculation achieved.</summary>
/// <param name="Passes">Trunk passes after the prefill.</param>
/// <param name="Tokens">Tokens that these passes gave.</param>
/// <param name="Drafted">Tokens drafted.</param>
/// <param name="Accepted">Drafts accepted.</param>
public readonly record struct SpeculationStatistics(long Passes, long Tokens, long Drafted, long Accepted)
{
    /// <summary>Accepted drafts over drafts; 0 when there were none.</summary>
    public double Acceptance => Drafted == 0 ? 0 : (double)Accepted / Drafted;

    /// <summary>Tokens per trunk pass; 0 before the first.</summary>
    public double TokensPerPass => Passes == 0 ? 0 : (double)Tokens / Passes;
}
