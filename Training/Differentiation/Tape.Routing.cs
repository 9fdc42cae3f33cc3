using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Training;

public sealed partial class Tape
{
    private readonly Dictionary<KvLayer, (Tensor Keys, Tensor Values)> _cached = [];
    private readonly Dictionary<Tensor, Tensor> _logSumExps = [];
    private readonly Dictionary<Tensor, Tensor> _loads = [];
    private readonly Dictionary<Tensor, Tensor> _places = [];
    private readonly List<Tensor> _routerLosses = [];

    /// <inheritdoc/>
    public void AppendKeyValues(Tensor k, Tensor v, SequenceRows rows, KvLayer cache)
    {
        _kernels.AppendKeyValues(k, v, rows, cache);
        _cached[cache] = (k, v);
    }

    /// <summary>
    /// Attention of whole sequences: each begins at position 0 of a cache that keeps all of it. A packed document is a
    /// sequence of its own. The log-sum-exp is kept by the tape.
    /// </summary>
    public void Attention(
        Tensor q, SequenceRows rows, KvLayer cache, AttentionParameters parameters, Tensor output, Tensor? logSumExp = null)
    {
        if (!_logSumExps.TryGetValue(q, out Tensor? lse))
            _logSumExps.Add(q, lse = logSumExp ?? New(q.Rows, parameters.QueryHeads));
        var (k, v) = _cached[cache];
        Run(output, () => _kernels.Attention(q, rows, cache, parameters, output, lse), dOutput => _kernels.AttentionBackward(
            q, rows, cache, parameters, output, lse, dOutput, Written(q), Written(k), Written(v)));
    }

    /// <inheritdoc/>
    public void Route(Tensor logits, int k, bool renormalize, Tensor probabilities, Tensor experts, Tensor weights)
    {
        Tensor lse = New(1, logits.Rows);
        void Forward()
        {
            _kernels.Route(logits, k, renormalize, probabilities, experts, weights);
            _kernels.LogSumExp(logits, lse);
        }
        Run(weights, Forward, dWeights =>
        {
            Tensor dLogits = New(logits), losses = New(1, 2);
            _kernels.RouteBackward(probabilities, experts, weights, renormalize, dWeights, dLogits);
            _kernels.RouterLosses(probabilities, lse, _loads[experts], BalanceLoss, RouterZLoss, losses, dLogits);
            _routerLosses.Add(losses);
            AddGradient(logits, dLogits);
        });
    }

    /// <inheritdoc/>
    public void Dispatch(Tensor experts, Tensor offsets, Tensor order, Tensor place)
    {
        _kernels.Dispatch(experts, offsets, order, place);
        Tensor loads = _workspace.Rent(DType.I32, new Shape((int)offsets.Count - 1));
        Zero(loads);
        _kernels.CountLoads(offsets, loads);
        _loads.Add(experts, loads);
        _places.Add(order, place);
    }

    /// <inheritdoc/>
    public void Combine(Tensor rows, Tensor place, Tensor weights, Tensor y)
    {
        Run(y, () => _kernels.Combine(rows, place, weights, y), dy =>
        {
            Tensor dRows = New(rows), dWeights = New(weights);
            _kernels.CombineBackward(rows, place, weights, dy, dRows, dWeights);
            AddGradient(rows, dRows);
            AddGradient(weights, dWeights);
        });
    }

    private (double Balance, double ZLoss) SumRouterLosses()
    {
        double balance = 0, z = 0;
        foreach (Tensor losses in _routerLosses)
        {
            balance += Read(losses, 0);
            z += Read(losses, 1);
        }
        return (balance, z);
    }

    private void ClearRouting()
    {
        _cached.Clear();
        _logSumExps.Clear();
        _loads.Clear();
        _places.Clear();
        _routerLosses.Clear();
    }
}
