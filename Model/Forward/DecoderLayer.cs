using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>
/// One decoder layer: h += o_proj(attention(norm(h))), then h += mlp(norm(h)). The trunk's layers and the MTP layer are
/// of this class; which cache layer it writes to is its index.
/// </summary>
internal sealed class DecoderLayer(ModelConfiguration configuration, AttentionKind kind, LayerWeights weights, int index)
{
    private readonly AttentionParameters _attention = new(
        configuration.HeadCount,
        kind == AttentionKind.Sliding ? configuration.SlidingWindow : 0,
        (float)(1 / Math.Sqrt(configuration.HeadSize)));

    /// <summary>Runs the layer, or has the context's runner do so.</summary>
    /// <param name="context">Kernels, workspace, tap.</param>
    /// <param name="h">The residual stream [T, hidden]; it is released here.</param>
    /// <param name="batch">The sequences of the rows.</param>
    /// <param name="ropeTable">The rotary table for this kind of layer [T, head_dim].</param>
    /// <returns>The residual stream after the layer.</returns>
    public Tensor Forward(ForwardContext context, Tensor h, ForwardBatch batch, Tensor ropeTable) =>
        context.Runner is null ? Run(context, h, batch, ropeTable) : Forward(context.Runner, context, h, batch, ropeTable);

    // A method of its own: the closure is not to be allocated where there is no runner.
    private Tensor Forward(LayerRunner runner, ForwardContext context, Tensor h, ForwardBatch batch, Tensor ropeTable) =>
        runner(h, input => Run(context, input, batch, ropeTable));

    private Tensor Run(ForwardContext context, Tensor h, ForwardBatch batch, Tensor ropeTable)
    {
        Tensor x = context.Norm(h, weights.InputNorm, (float)configuration.RmsNormEpsilon);
        h = context.AddAndRelease(h, Attention(context, x, batch, ropeTable));
        Tensor y = context.Norm(h, weights.PostAttentionNorm, (float)configuration.RmsNormEpsilon);
        h = context.AddAndRelease(h, weights.Router is null ? Dense(context, y) : Experts(context, y, weights.Router));
        context.Tap?.Residual(index, h);
        return h;
    }

    private Tensor Attention(ForwardContext context, Tensor x, ForwardBatch batch, Tensor ropeTable)
    {
        Tensor q = Rotate(context, context.Multiply(x, weights.Query), weights.QueryNorm, ropeTable);
        Tensor k = Rotate(context, context.Multiply(x, weights.Key), weights.KeyNorm, ropeTable);
        Tensor v = context.Multiply(x, weights.Value);
        context.Release(x);
        context.Tap?.QueriesKeysValues(index, q, k, v);
        Tensor heads = context.Activation(q.Rows, q.Columns);
        foreach (BatchSequence sequence in batch.Sequences)
        {
            KvLayer cache = sequence.Cache.Layers[index];
            context.Kernels.AppendKeyValues(k, v, sequence.Rows, cache);
            context.Kernels.Attention(q, sequence.Rows, cache, _attention, heads);
        }
        context.Release(q);
        context.Release(k);
        context.Release(v);
        context.Tap?.Heads(index, heads);
        Tensor output = context.Multiply(heads, weights.Output);
        context.Release(heads);
        return output;
    }

    private Tensor Rotate(ForwardContext context, Tensor projected, Tensor norm, Tensor ropeTable)
    {
        Tensor normed = context.Norm(projected, norm, (float)configuration.RmsNormEpsilon);
        context.Release(projected);
        Tensor rotated = context.Activation(normed.Rows, normed.Columns);
        context.Kernels.Rope(normed, ropeTable, rotated);
        context.Release(normed);
        return rotated;
    }

    private Tensor Dense(ForwardContext context, Tensor y)
    {
        Tensor gateUp = context.Multiply(y, weights.GateUp[0]);
        context.Release(y);
        Tensor inner = SwiGlu(context, gateUp);
        Tensor output = context.Multiply(inner, weights.Down[0]);
        context.Release(inner);
        return output;
    }

    private Tensor Experts(ForwardContext context, Tensor y, WeightMatrix router)
    {
        IForwardKernels kernels = context.Kernels;
        int tokens = y.Rows, slots = configuration.ExpertsPerToken, pairs = checked(tokens * slots);
        Tensor logits = context.Multiply(y, router);
        context.Tap?.RouterLogits(index, logits);
        Tensor probabilities = context.Activation(tokens, logits.Columns);
        Tensor experts = context.Workspace.Rent(DType.I32, new Shape(tokens, slots));
        Tensor weight = context.Activation(tokens, slots);
        kernels.Route(logits, slots, configuration.NormalizeExpertWeights, probabilities, experts, weight, weights.RouterBias);
        context.Release(logits);
        context.Tap?.Routed(index, probabilities, experts, weight);
        context.Release(probabilities);

        Tensor offsets = context.Integers(weights.GateUp.Length + 1);
        Tensor order = context.Integers(pairs), place = context.Integers(pairs);
        kernels.Dispatch(experts, offsets, order, place);
        context.Release(experts);
        Tensor gateUp = context.Activation(pairs, weights.GateUp[0].Rows);
        kernels.GroupedMatMul(y, order, slots, offsets, weights.GateUp, gateUp);
        context.Release(y);
        context.Release(order);
        Tensor inner = SwiGlu(context, gateUp);
        Tensor rows = context.Activation(pairs, configuration.HiddenSize);
        kernels.GroupedMatMul(inner, null, slots, offsets, weights.Down, rows);
        context.Release(inner);
        context.Release(offsets);
        Tensor output = context.Activation(tokens, configuration.HiddenSize);
        kernels.Combine(rows, place, weight, output);
        context.Release(rows);
        context.Release(place);
        context.Release(weight);
        return output;
    }

    private static Tensor SwiGlu(ForwardContext context, Tensor gateUp)
    {
        Tensor inner = context.Activation(gateUp.Rows, gateUp.Columns / 2);
        context.Kernels.SwiGlu(gateUp, inner);
        context.Release(gateUp);
        return inner;
    }
}
