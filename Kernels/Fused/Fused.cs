using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>
/// What a decoder layer is made of: several elementary operations at once. The default of each is their composition, so a back
/// end that gains nothing from fusing (the processor), or that has to see every step (training), has them already. A back end
/// that fuses gives the bits of its own composition.
/// </summary>
public partial interface IForwardKernels
{
    /// <summary>Three <see cref="MatMul"/> of the same rows: q = x·Wqᵀ, k = x·Wkᵀ, v = x·Wvᵀ.</summary>
    /// <param name="x">[T, K].</param>
    /// <param name="query">[Nq, K].</param>
    /// <param name="key">[Nk, K].</param>
    /// <param name="value">[Nv, K].</param>
    /// <param name="q">[T, Nq].</param>
    /// <param name="k">[T, Nk].</param>
    /// <param name="v">[T, Nv].</param>
    void Project(Tensor x, WeightMatrix query, WeightMatrix key, WeightMatrix value, Tensor q, Tensor k, Tensor v) =>
        Composition.Project(this, x, query, key, value, q, k, v);

    /// <summary>
    /// <see cref="RmsNorm"/> of every head of q and k, <see cref="Rope"/> of the results, and, where there is a cache,
    /// <see cref="AppendKeyValues"/> of the rotated keys and the values.
    /// </summary>
    /// <param name="heads">What goes in and comes out.</param>
    /// <param name="epsilon">ε of the norms.</param>
    /// <param name="table">[T, d], from <see cref="RopeTable"/>.</param>
    /// <param name="rows">The rows that go to the cache.</param>
    /// <param name="cache">The cache, or null: nothing is appended.</param>
    /// <param name="workspace">Where intermediate results are.</param>
    void NormalizeAndRotate(in HeadTensors heads, float epsilon, Tensor table, SequenceRows rows, KvLayer? cache, IWorkspace workspace) =>
        Composition.NormalizeAndRotate(this, heads, epsilon, table, rows, cache, workspace);

    /// <summary>y = residual + x·Wᵀ: <see cref="MatMul"/>, then <see cref="Add"/>.</summary>
    /// <param name="x">[T, K].</param>
    /// <param name="w">[N, K].</param>
    /// <param name="residual">[T, N].</param>
    /// <param name="y">[T, N].</param>
    /// <param name="workspace">Where the product is.</param>
    void MatMulAdd(Tensor x, WeightMatrix w, Tensor residual, Tensor y, IWorkspace workspace) =>
        Composition.MatMulAdd(this, x, w, residual, y, workspace);

    /// <summary><see cref="MatMul"/> by gate and up, then <see cref="SwiGlu"/>.</summary>
    /// <param name="x">[T, K].</param>
    /// <param name="gateUp">Gate and up stacked, [2·I, K].</param>
    /// <param name="y">[T, I].</param>
    /// <param name="workspace">Where the product is.</param>
    void MatMulSwiGlu(Tensor x, WeightMatrix gateUp, Tensor y, IWorkspace workspace) =>
        Composition.MatMulSwiGlu(this, x, gateUp, y, workspace);

    /// <summary><see cref="GroupedMatMul"/> by gate and up of each expert, then <see cref="SwiGlu"/>.</summary>
    /// <param name="x">Activations [T, K], or [R, K] without <paramref name="order"/>.</param>
    /// <param name="order">I32 [R], or null; see <see cref="GroupedMatMul"/>.</param>
    /// <param name="slots">How many experts a token has.</param>
    /// <param name="offsets">I32 [E + 1], from <see cref="Dispatch"/>.</param>
    /// <param name="experts">E prepared matrices [2·I, K].</param>
    /// <param name="y">[R, I].</param>
    /// <param name="workspace">Where the products are.</param>
    void GroupedMatMulSwiGlu(
        Tensor x, Tensor? order, int slots, Tensor offsets, WeightMatrix[] experts, Tensor y, IWorkspace workspace) =>
        Composition.GroupedMatMulSwiGlu(this, x, order, slots, offsets, experts, y, workspace);

    /// <summary><see cref="Route"/>, then <see cref="Dispatch"/> of its choice.</summary>
    /// <param name="logits">[T, E].</param>
    /// <param name="renormalize">Whether the chosen weights add up to one.</param>
    /// <param name="routing">What comes out.</param>
    /// <param name="bias">[E], or null.</param>
    void RouteAndDispatch(Tensor logits, bool renormalize, in RoutingTensors routing, Tensor? bias) =>
        Composition.RouteAndDispatch(this, logits, renormalize, routing, bias);

    /// <summary>y = residual + <see cref="Combine"/>.</summary>
    /// <param name="rows">[T · k, H].</param>
    /// <param name="place">I32 [T · k].</param>
    /// <param name="weights">[T, k].</param>
    /// <param name="residual">[T, H].</param>
    /// <param name="y">[T, H].</param>
    /// <param name="workspace">Where the combined rows are.</param>
    void CombineAdd(Tensor rows, Tensor place, Tensor weights, Tensor residual, Tensor y, IWorkspace workspace) =>
        Composition.CombineAdd(this, rows, place, weights, residual, y, workspace);
}

/// <summary>The tensors of <see cref="IForwardKernels.NormalizeAndRotate"/>; rows are tokens.</summary>
/// <param name="Queries">Projected queries [T, query heads · d].</param>
/// <param name="Keys">Projected keys [T, KV heads · d].</param>
/// <param name="Values">Values [T, KV heads · d].</param>
/// <param name="QueryNorm">F32 [d].</param>
/// <param name="KeyNorm">F32 [d].</param>
/// <param name="RotatedQueries">Out: the shape of the queries.</param>
/// <param name="RotatedKeys">Out: the shape of the keys.</param>
public readonly record struct HeadTensors(
    Tensor Queries, Tensor Keys, Tensor Values, Tensor QueryNorm, Tensor KeyNorm, Tensor RotatedQueries, Tensor RotatedKeys);

/// <summary>The results of <see cref="IForwardKernels.RouteAndDispatch"/>.</summary>
/// <param name="Probabilities">[T, E].</param>
/// <param name="Experts">I32 [T, k].</param>
/// <param name="Weights">[T, k].</param>
/// <param name="Offsets">I32 [E + 1].</param>
/// <param name="Order">I32 [T · k].</param>
/// <param name="Place">I32 [T · k].</param>
public readonly record struct RoutingTensors(
    Tensor Probabilities, Tensor Experts, Tensor Weights, Tensor Offsets, Tensor Order, Tensor Place);
