using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>Which rows of a batch belong to one sequence.</summary>
/// <param name="FirstRow">The first row.</param>
/// <param name="Count">How many rows.</param>
/// <param name="Position">The position of the first row in its sequence; the others follow.</param>
/// <param name="Start">
/// The same position where a device's kernels can read it (I32, one element): what is queued is then the same whatever the
/// position is. Null for the number alone; kernels of the CPU take that.
/// </param>
public readonly record struct SequenceRows(int FirstRow, int Count, int Position, Tensor? Start = null);

/// <summary>What kind of attention a layer has.</summary>
/// <param name="QueryHeads">Query heads; query head n reads KV head n / (QueryHeads / KV heads).</param>
/// <param name="Window">How many keys a query sees, itself included; 0 means all.</param>
/// <param name="Scale">The factor of the scores, 1/√head_dim.</param>
public readonly record struct AttentionParameters(int QueryHeads, int Window, float Scale);

public partial interface IForwardKernels
{
    /// <summary>
    /// Writes rows of k and v [T, KV heads · head_dim] into the slots of their positions, rounded to the cache's format.
    /// The slots must be there (<see cref="KvLayer.Grow"/>).
    /// </summary>
    void AppendKeyValues(Tensor k, Tensor v, SequenceRows rows, KvLayer cache);

    /// <summary>
    /// Grouped-query attention of some rows against their sequence's cache, which holds their own keys already:
    /// s_j = scale·q·k_j for the visible positions j (j ≤ i, and i − j &lt; W where there is a window W),
    /// out = Σ_j softmax(s)_j v_j, lse = ln Σ_j e^{s_j}.
    /// Float32 back ends use an online softmax over tiles of 64 positions aligned to position 0, so a row's result
    /// depends on its position and the cache alone; nothing of size T × T is stored. Relative error about 1e-6.
    /// </summary>
    /// <param name="q">[T, query heads · head_dim].</param>
    /// <param name="rows">The rows to compute.</param>
    /// <param name="cache">Keys and values; a ring has room for W − 1 + rows.Count positions.</param>
    /// <param name="parameters">Heads, window, scale.</param>
    /// <param name="output">The shape of q; only the given rows are written.</param>
    /// <param name="logSumExp">[T, query heads], or null.</param>
    void Attention(
        Tensor q, SequenceRows rows, KvLayer cache, AttentionParameters parameters, Tensor output, Tensor? logSumExp = null);
}
