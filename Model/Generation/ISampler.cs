using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>
/// Turns logits into the distribution of the next token. Speculative decoding asks for the distribution of the target and
/// of the draft and accepts by their ratio, so its output is distributed exactly as this method says, whatever it does.
/// Deterministic: the same logits and history give the same distribution.
/// </summary>
public interface ISampler
{
    /// <summary>Whether the distribution is always one token; then <see cref="Choose"/> is asked alone.</summary>
    bool IsGreedy { get; }

    /// <summary>
    /// Whether <see cref="Choose"/> is the first largest logit, whatever the history: then a device chooses, and the logits are not
    /// read.
    /// </summary>
    bool IsArgMax => false;

    /// <summary>
    /// The k for which <see cref="TryDistribution"/> needs no more than the k largest logits and those of the history: then a device
    /// sends these alone. 0 where all logits are needed.
    /// </summary>
    int TopK => 0;

    /// <summary>Whether the history changes the distribution.</summary>
    bool UsesHistory => true;

    /// <summary>
    /// As <see cref="Distribution"/>, from a part of the logits: those of every token of the history, if it counts, and of the others
    /// those not below the <see cref="TopK"/>-th largest of them.
    /// </summary>
    /// <param name="logits">The logits.</param>
    /// <param name="ids">Their tokens, each once.</param>
    /// <param name="history">The tokens before.</param>
    /// <param name="probabilities">[vocabulary]; sums to one.</param>
    /// <returns>False where it takes all logits to tell.</returns>
    bool TryDistribution(ReadOnlySpan<float> logits, ReadOnlySpan<int> ids, TokenHistory history, Span<float> probabilities) => false;

    /// <summary>Writes the probability of every token.</summary>
    /// <param name="logits">[vocabulary].</param>
    /// <param name="history">The tokens before.</param>
    /// <param name="probabilities">[vocabulary]; sums to one.</param>
    void Distribution(ReadOnlySpan<float> logits, TokenHistory history, Span<float> probabilities);

    /// <summary>The one token of a greedy sampler.</summary>
    int Choose(ReadOnlySpan<float> logits, TokenHistory history);
}
