using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public partial interface ITrainingKernels
{
    /// <summary>
    /// The backward of <see cref="IForwardKernels.Attention"/> for a whole sequence: with s_ij = scale·q_i·k_j,
    /// p_ij = e^{s_ij − lse_i} for the visible positions, D_i = dout_i·out_i and ds_ij = p_ij·(dout_i·v_j − D_i):
    /// dq_i = scale·Σ_j ds_ij·k_j, dk_j = scale·Σ_i ds_ij·q_i, dv_j = Σ_i p_ij·dout_i, for dk and dv over the query heads
    /// that read the KV head (Dao et al., arXiv 2205.14135). Weights are computed again from the log-sum-exp; nothing of
    /// size T × T is stored. Keys and values are the rounded ones of the cache; their rounding has gradient 1.
    /// <para>
    /// Documents that are packed into one batch are sequences: each has rows, positions from 0 on and a cache of its own,
    /// forward and backward, so that a document's bits do not depend on what it is packed with.
    /// </para>
    /// Float32 back ends: error about 1e-6 of the largest gradient.
    /// </summary>
    /// <param name="q">[T, query heads · head_dim].</param>
    /// <param name="rows">All rows of the sequence: their position is 0.</param>
    /// <param name="cache">Keys and values of positions 0 … rows.Count − 1; no ring that has lost some.</param>
    /// <param name="parameters">As in the forward pass.</param>
    /// <param name="output">The output of the forward pass.</param>
    /// <param name="logSumExp">[T, query heads], from the forward pass.</param>
    /// <param name="dOutput">The shape of q.</param>
    /// <param name="dq">The shape of q; the given rows are written.</param>
    /// <param name="dk">[T, KV heads · head_dim]; the given rows are written.</param>
    /// <param name="dv">The shape of dk; the given rows are written.</param>
    void AttentionBackward(
        Tensor q, SequenceRows rows, KvLayer cache, AttentionParameters parameters, Tensor output, Tensor logSumExp, Tensor dOutput,
        Tensor dq, Tensor dk, Tensor dv);
}
