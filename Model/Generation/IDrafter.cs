using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>
/// Proposes the next tokens of a sequence. What it proposes never changes what is generated, only how many trunk passes
/// that takes.
/// </summary>
public interface IDrafter : IDisposable
{
    /// <summary>The name for statistics.</summary>
    string Name { get; }

    /// <summary>The most positions of the sequence's beginning that may be reused without running them again.</summary>
    int ReusableLength(int length);

    /// <summary>The sequence now has its first <paramref name="length"/> positions in the cache; more will follow.</summary>
    void Reset(int length);

    /// <summary>
    /// The trunk has run positions <paramref name="position"/> … + <paramref name="count"/> − 1, for good.
    /// </summary>
    /// <param name="states">The states that <see cref="MellumModel.Mtp"/> takes.</param>
    /// <param name="firstRow">The row of the first position.</param>
    /// <param name="count">How many positions.</param>
    /// <param name="position">The first position.</param>
    /// <param name="tokens">The tokens of the sequence, as far as they are known.</param>
    void Observe(Tensor states, int firstRow, int count, int position, ReadOnlySpan<int> tokens);

    /// <summary>
    /// Drafts at most <paramref name="count"/> tokens to follow <paramref name="history"/>. It may push drafts to the
    /// history and has to take them back.
    /// </summary>
    void Draft(int count, TokenHistory history, ISampler sampler, ulong seed, DraftRun run);
}
