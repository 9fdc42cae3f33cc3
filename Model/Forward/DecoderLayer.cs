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
        h = Attention(context, h, x, batch, ropeTable);
        Tensor y = context.Norm(h, weights.PostAttentionNorm, (float)configuration.RmsNormEpsilon);
        h = weights.Router is null ? Dense(context, h, y) : Experts(context, h, y, weights.Router);
        context.Tap?.Residual(index, h);
        return h;
    }

    private Tensor Attention(ForwardContext context, Tensor h, Tensor x, ForwardBatch batch, Tensor ropeTable)
    {
        IForwardKernels kernels = context.Kernels;
        int tokens = x.Rows;
        Tensor projectedQ = context.Activation(tokens, weights.Query.Rows), projectedK = context.Activation(tokens, weights.Key.Rows);
        Tensor v = context.Activation(tokens, weights.Value.Rows);
        kernels.Project(x, weights.Query, weights.Key, weights.Value, projectedQ, projectedK, v);
        context.Release(x);

        Tensor q = context.Activation(tokens, weights.Query.Rows), k = context.Activation(tokens, weights.Key.Rows);
        HeadTensors projected = new(projectedQ, projectedK, v, weights.QueryNorm, weights.KeyNorm, q, k);
        // One sequence has its keys and values written on the way, unless a tap is to change them before.
        bool appends = batch.Sequences.Length == 1 && context.Tap is null;
        KvLayer? only = appends ? batch.Sequences[0].Cache.Layers[index] : null;
        SequenceRows rows = appends ? batch.Sequences[0].Rows : default;
        kernels.NormalizeAndRotate(projected, (float)configuration.RmsNormEpsilon, ropeTable, rows, only, context.Workspace);
        context.Release(projectedQ);
        context.Release(projectedK);
        context.Tap?.QueriesKeysValues(index, q, k, v);
        Tensor heads = context.Activation(q.Rows, q.Columns);
        foreach (BatchSequence sequence in batch.Sequences)
        {
            KvLayer cache = sequence.Cache.Layers[index];
            if (!appends)
                kernels.AppendKeyValues(k, v, sequence.Rows, cache);
            kernels.Attention(q, sequence.Rows, cache, _attention, heads);
        }
        context.Release(q);
        context.Release(k);
        context.Release(v);
        context.Tap?.Heads(index, heads);
        return AddProduct(context, h, heads, weights.Output);
    }

    private Tensor Dense(ForwardContext context, Tensor h, Tensor y)
    {
        Tensor inner = context.Activation(y.Rows, weights.GateUp[0].Rows / 2);
        context.Kernels.MatMulSwiGlu(y, weights.GateUp[0], inner, context.Workspace);
        context.Release(y);
        return AddProduct(context, h, inner, weights.Down[0]);
    }

    /// <summary>h + x·Wᵀ, after which neither h nor x is used any more.</summary>
    private static Tensor AddProduct(ForwardContext context, Tensor h, Tensor x, WeightMatrix w)
    {
        Tensor sum = context.Activation(h.Rows, h.Columns);
        context.Kernels.MatMulAdd(x, w, h, sum, context.Workspace);
        context.Release(x);
        context.Release(h);
        return sum;
    }

    private Tensor Experts(ForwardContext context, Tensor h, Tensor y, WeightMatrix router)
    {
        IForwardKernels kernels = context.Kernels;
        int tokens = y.Rows, slots = configuration.ExpertsPerToken, pairs = checked(tokens * slots);
        Tensor logits = context.Multiply(y, router);
        context.Tap?.RouterLogits(index, logits);
        RoutingTensors routing = new(
            context.Activation(tokens, logits.Columns), context.Workspace.Rent(DType.I32, new Shape(tokens, slots)),
            context.Activation(tokens, slots), context.Integers(weights.GateUp.Length + 1), context.Integers(pairs), context.Integers(pairs));
        Route(context, logits, routing);
        context.Release(logits);
        context.Release(routing.Probabilities);
        context.Release(routing.Experts);

        Tensor inner = context.Activation(pairs, weights.GateUp[0].Rows / 2);
        kernels.GroupedMatMulSwiGlu(y, routing.Order, slots, routing.Offsets, weights.GateUp, inner, context.Workspace);
        context.Release(y);
        context.Release(routing.Order);
        Tensor rows = context.Activation(pairs, configuration.HiddenSize);
        kernels.GroupedMatMul(inner, null, slots, routing.Offsets, weights.Down, rows);
        context.Release(inner);
        context.Release(routing.Offsets);
        Tensor sum = context.Activation(tokens, configuration.HiddenSize);
        kernels.CombineAdd(rows, routing.Place, routing.Weights, h, sum, context.Workspace);
        context.Release(rows);
        context.Release(routing.Place);
        context.Release(routing.Weights);
        context.Release(h);
        return sum;
    }

    // A tap may change the choice before the rows are sorted by it.
    private void Route(ForwardContext context, Tensor logits, in RoutingTensors routing)
    {
        bool renormalize = configuration.NormalizeExpertWeights;
        if (context.Tap is null)
        {
            context.Kernels.RouteAndDispatch(logits, renormalize, routing, weights.RouterBias);
            return;
        }
        context.Kernels.Route(
            logits, configuration.ExpertsPerToken, renormalize, routing.Probabilities, routing.Experts, routing.Weights, weights.RouterBias);
        context.Tap.Routed(index, routing.Probabilities, routing.Experts, routing.Weights);
        context.Kernels.Dispatch(routing.Experts, routing.Offsets, routing.Order, routing.Place);
    }
}
