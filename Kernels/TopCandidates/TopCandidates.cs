using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>The sizes of <see cref="IForwardKernels.TopCandidates"/>.</summary>
public static class Candidates
{
    /// <summary>The largest k.</summary>
    public const int MostTopK = 256;

    /// <summary>How many candidates a row has room for: k and those that tie with the last.</summary>
    public const int Room = 2 * MostTopK;
}

public partial interface IForwardKernels
{
    /// <summary>
    /// The logits that are at least the k-th largest of their row, with all that tie with it and without −∞: in falling order, equal
    /// ones with rising tokens. Exact. It is what top-k leaves, so that a few numbers a row have to be read instead of V.
    /// </summary>
    /// <param name="logits">[T, V].</param>
    /// <param name="k">1 to <see cref="Candidates.MostTopK"/>.</param>
    /// <param name="values">[T, <see cref="Candidates.Room"/>]: the logits; behind the last anything.</param>
    /// <param name="numbers">
    /// I32 [T, 1 + <see cref="Candidates.Room"/>]: how many there are and then their tokens; −1 where a logit is NaN or where ties
    /// take more room than there is, so that the row itself has to be looked at.
    /// </param>
    void TopCandidates(Tensor logits, int k, Tensor values, Tensor numbers);

    /// <summary>
    /// taken[i] = row[ids[i]], and then row[ids[i]] = −∞: takes tokens that are judged otherwise out of a row before
    /// <see cref="TopCandidates"/>. Places of <paramref name="ids"/> that hold no token are passed over, so that what is queued is the
    /// same however many there are.
    /// </summary>
    /// <param name="row">[1, V]; changed.</param>
    /// <param name="ids">I32 [N]: distinct tokens below V, or numbers below 0 for none.</param>
    /// <param name="taken">[N]; unchanged where there is no token.</param>
    void TakeOut(Tensor row, Tensor ids, Tensor taken);
}
