namespace Mellum2.Managed.Model;

/// <summary>What a template may cost at most. A template comes with a checkpoint, so it is input like any other file.</summary>
internal sealed record JinjaLimits
{
    public static JinjaLimits Default { get; } = new();

    /// <summary>Characters of the template's source.</summary>
    public int SourceLength { get; init; } = 1 << 20;

    /// <summary>How deep expressions and blocks of the source may be nested.</summary>
    public int NestingDepth { get; init; } = 100;

    /// <summary>How deep evaluation may go: nested expressions, long chains of operators, and macro calls together.</summary>
    public int EvaluationDepth { get; init; } = 500;

    /// <summary>Numbers in one range(); jinja2's sandbox has the same limit.</summary>
    public int RangeLength { get; init; } = 100_000;

    /// <summary>Characters of one text; the output is one.</summary>
    public int TextLength { get; init; } = 1 << 26;

    /// <summary>Elements of one list.</summary>
    public int ListLength { get; init; } = 1 << 22;

    /// <summary>Bits of a whole number that arithmetic gives.</summary>
    public int NumberBits { get; init; } = 1 << 16;

    /// <summary>Expressions and statements evaluated in one rendering.</summary>
    public long Steps { get; init; } = 20_000_000;

    /// <summary>Characters made in one rendering, those thrown away included; a list element counts as eight.</summary>
    public long TotalSize { get; init; } = 1L << 30;
}
