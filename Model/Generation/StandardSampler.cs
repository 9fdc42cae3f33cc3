using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>The sampler of <see cref="SamplerOptions"/>: penalties, temperature, top-k, top-p, min-p.</summary>
public sealed class StandardSampler : ISampler
{
    private readonly SamplerOptions _options;
    private readonly SamplerDistribution _distribution;

    private StandardSampler(SamplerOptions options, int vocabulary)
    {
        _options = options;
        _distribution = new SamplerDistribution(vocabulary);
    }

    /// <inheritdoc/>
    public bool IsGreedy => _options.Temperature == 0;

    /// <inheritdoc/>
    public bool IsArgMax => IsGreedy && !_options.HasPenalties;

    /// <inheritdoc/>
    public int TopK =>
        !IsGreedy && _options.TopK <= Candidates.MostTopK && _options.TopK < _distribution.Vocabulary ? _options.TopK : 0;

    /// <inheritdoc/>
    public bool UsesHistory => _options.HasPenalties;

    /// <summary>A sampler for a vocabulary.</summary>
    /// <exception cref="Engine.InvalidInputException">An option is out of its range.</exception>
    public static StandardSampler Create(SamplerOptions options, int vocabulary)
    {
        options.Validate();
        return new StandardSampler(options, vocabulary);
    }

    /// <inheritdoc/>
    public void Distribution(ReadOnlySpan<float> logits, TokenHistory history, Span<float> probabilities)
    {
        _distribution.Compute(logits, _options, history);
        _distribution.CopyTo(probabilities);
    }

    /// <inheritdoc/>
    public bool TryDistribution(ReadOnlySpan<float> logits, ReadOnlySpan<int> ids, TokenHistory history, Span<float> probabilities)
    {
        if (TopK == 0 || !_distribution.TryComputeCandidates(logits, ids, _options, history))
            return false;
        _distribution.CopyTo(probabilities);
        return true;
    }

    /// <inheritdoc/>
    public int Choose(ReadOnlySpan<float> logits, TokenHistory history)
    {
        _distribution.Compute(logits, _options, history);
        return _distribution.Ids[0];
    }
}
