using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>
/// A back end that lets another one compute: what is derived from it changes the products, and the fused operations that have
/// products in them are compositions of those. All others are passed on.
/// </summary>
/// <param name="kernels">What computes.</param>
public abstract class ForwardingKernels(IForwardKernels kernels) : IForwardKernels
{
    /// <summary>What computes.</summary>
    protected IForwardKernels Kernels => kernels;

    /// <inheritdoc/>
    public DType ActivationType => kernels.ActivationType;

    /// <inheritdoc/>
    public Device Device => kernels.Device;

    /// <inheritdoc/>
    public abstract string Description { get; }

    /// <inheritdoc/>
    public virtual WeightMatrix Prepare(ReadOnlySpan<WeightMatrix> parts) => kernels.Prepare(parts);

    /// <inheritdoc/>
    public void Gather(WeightMatrix[] experts) => kernels.Gather(experts);

    /// <inheritdoc/>
    public Tensor PrepareVector(Tensor vector) => kernels.PrepareVector(vector);

    /// <inheritdoc/>
    public WeightMatrix PrepareEmbedding(WeightMatrix table) => kernels.PrepareEmbedding(table);

    /// <inheritdoc/>
    public abstract void MatMul(Tensor x, WeightMatrix w, Tensor y);

    /// <inheritdoc/>
    public abstract void GroupedMatMul(Tensor x, Tensor? order, int slots, Tensor offsets, WeightMatrix[] experts, Tensor y);

    /// <inheritdoc/>
    public void NormalizeAndRotate(
        in HeadTensors heads, float epsilon, Tensor table, SequenceRows rows, KvLayer? cache, IWorkspace workspace) =>
        kernels.NormalizeAndRotate(heads, epsilon, table, rows, cache, workspace);

    /// <inheritdoc/>
    public void RouteAndDispatch(Tensor logits, bool renormalize, in RoutingTensors routing, Tensor? bias) =>
        kernels.RouteAndDispatch(logits, renormalize, routing, bias);

    /// <inheritdoc/>
    public void CombineAdd(Tensor rows, Tensor place, Tensor weights, Tensor residual, Tensor y, IWorkspace workspace) =>
        kernels.CombineAdd(rows, place, weights, residual, y, workspace);

    /// <inheritdoc/>
    public void RoundToBFloat16(Tensor x, Tensor y) => kernels.RoundToBFloat16(x, y);

    /// <inheritdoc/>
    public void Embed(Tensor ids, WeightMatrix table, Tensor y) => kernels.Embed(ids, table, y);

    /// <inheritdoc/>
    public void RmsNorm(Tensor x, Tensor weight, float epsilon, Tensor y) => kernels.RmsNorm(x, weight, epsilon, y);

    /// <inheritdoc/>
    public void RopeTable(Tensor positions, RopeParameters parameters, Tensor table) => kernels.RopeTable(positions, parameters, table);

    /// <inheritdoc/>
    public void Rope(Tensor x, Tensor table, Tensor y) => kernels.Rope(x, table, y);

    /// <inheritdoc/>
    public void AppendKeyValues(Tensor k, Tensor v, SequenceRows rows, KvLayer cache) => kernels.AppendKeyValues(k, v, rows, cache);

    /// <inheritdoc/>
    public void Attention(
        Tensor q, SequenceRows rows, KvLayer cache, AttentionParameters parameters, Tensor output, Tensor? logSumExp = null) =>
        kernels.Attention(q, rows, cache, parameters, output, logSumExp);

    /// <inheritdoc/>
    public void Route(Tensor logits, int k, bool renormalize, Tensor probabilities, Tensor experts, Tensor weights, Tensor? bias = null) =>
        kernels.Route(logits, k, renormalize, probabilities, experts, weights, bias);

    /// <inheritdoc/>
    public void Dispatch(Tensor experts, Tensor offsets, Tensor order, Tensor place) => kernels.Dispatch(experts, offsets, order, place);

    /// <inheritdoc/>
    public void Combine(Tensor rows, Tensor place, Tensor weights, Tensor y) => kernels.Combine(rows, place, weights, y);

    /// <inheritdoc/>
    public void SwiGlu(Tensor gateUp, Tensor y) => kernels.SwiGlu(gateUp, y);

    /// <inheritdoc/>
    public void Add(Tensor a, Tensor b, Tensor y) => kernels.Add(a, b, y);

    /// <inheritdoc/>
    public void CopyRows(Tensor x, int firstRow, Tensor y) => kernels.CopyRows(x, firstRow, y);

    /// <inheritdoc/>
    public void Concatenate(Tensor a, Tensor b, Tensor y) => kernels.Concatenate(a, b, y);

    /// <inheritdoc/>
    public void LogSumExp(Tensor logits, Tensor lse) => kernels.LogSumExp(logits, lse);

    /// <inheritdoc/>
    public void ArgMax(Tensor logits, Tensor ids) => kernels.ArgMax(logits, ids);

    /// <inheritdoc/>
    public void Advance(Tensor counters, int count) => kernels.Advance(counters, count);

    /// <inheritdoc/>
    public void TopCandidates(Tensor logits, int k, Tensor values, Tensor numbers) => kernels.TopCandidates(logits, k, values, numbers);

    /// <inheritdoc/>
    public void TakeOut(Tensor row, Tensor ids, Tensor taken) => kernels.TakeOut(row, ids, taken);
}
