using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>What one generation does with a prompt.</summary>
public sealed record GenerationOptions
{
    /// <summary>The most tokens to generate.</summary>
    public int MaxTokens { get; init; } = 256;

    /// <summary>Temperature, cuts and penalties; greedy by default.</summary>
    public SamplerOptions Sampling { get; init; } = SamplerOptions.Greedy;

    /// <summary>A sampler of the caller's own, instead of <see cref="Sampling"/>.</summary>
    public ISampler? CustomSampler { get; init; }

    /// <summary>The seed of all random choices.</summary>
    public ulong Seed { get; init; }

    /// <summary>Texts that end the output; they are not part of it.</summary>
    public IReadOnlyList<string> StopStrings { get; init; } = [];

    /// <summary>Tokens that end the output besides the checkpoint's end-of-text ids; they are not part of it.</summary>
    public IReadOnlyList<int> StopIds { get; init; } = [];

    /// <summary>Whether end-of-text ids are ignored.</summary>
    public bool IgnoreEndOfText { get; init; }

    /// <summary>Whether special tokens appear in the text.</summary>
    public bool ShowSpecialTokens { get; init; }

    /// <summary>Whether log-probabilities are computed.</summary>
    public bool LogProbabilities { get; init; }

    /// <summary>How to speculate.</summary>
    public SpeculationOptions Speculation { get; init; } = new(DraftKind.Auto);

    /// <summary>The most tokens of prompt and output together; null takes what prompt and output need.</summary>
    public int? Context { get; init; }

    /// <summary>Tokens per prefill pass.</summary>
    public int Chunk { get; init; } = 512;
}

/// <summary>Why a generation ended.</summary>
public enum FinishReason
{
    /// <summary>An end-of-text or stop token came.</summary>
    StopToken,

    /// <summary>A stop string came.</summary>
    StopString,

    /// <summary>The number of tokens that was asked for is reached.</summary>
    Length,

    /// <summary>The context is full.</summary>
    ContextFull,

    /// <summary>The caller cancelled.</summary>
    Cancelled,
}
