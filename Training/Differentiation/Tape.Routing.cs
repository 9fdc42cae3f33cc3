using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Training;

public sealed partial class Tape
{
    private readonly Dictionary<KvLayer, (Tensor Keys, Tensor Values)> _cached = [];
    private readonly Dictionary<Tensor, Tensor> _logSumExps = [];
    private readonly Dictionary<Tensor, Tensor> _places = [];
    private readonly List<RouterState> _routers = [];
    private int _nextRouter;
    private double _balance, _zLoss;

    /// <summary>α of the balance loss of every router.</summary>
    public float BalanceLoss { get; set; }

    /// <summary>β of the z-loss of every router.</summary>
    public float RouterZLoss { get; set; }

    /// <summary>Whether <see cref="Routers"/> count the loads of what runs.</summary>
    public bool CountsLoads { get; set; } = true;

    /// <summary>The routers in the order in which a micro-batch calls them.</summary>
    public IReadOnlyList<RouterState> Routers => _routers;

    /// <summary>Makes the next router known, which otherwise its first call does: too late for <see cref="RouterState.StepRows"/>.</summary>
    public void AddRouter(int experts) => _routers.Add(new RouterState(experts));

    /// <summary>Says that a step begins: no loads have been counted.</summary>
    public void BeginStep()
    {
        foreach (RouterState router in _routers)
            Zero(router.Loads);
    }

    /// <inheritdoc/>
    public void AppendKeyValues(Tensor k, Tensor v, SequenceRows rows, KvLayer cache)
    {
        _kernels.AppendKeyValues(k, v, rows, cache);
        _cached[cache] = (k, v);
    }

    /// <summary>
    /// Attention of whole sequences: each begins at position 0 of a cache that has room for all of it. A packed document is a
    /// sequence of its own. The log-sum-exp is kept by the tape. Keys and values are written to the cache again before the
    /// backward, so sequences and layers may share one.
    /// </summary>
    public void Attention(
        Tensor q, SequenceRows rows, KvLayer cache, AttentionParameters parameters, Tensor output, Tensor? logSumExp = null)
    {
        if (!IsRecording)
        {
            _kernels.Attention(q, rows, cache, parameters, output, logSumExp);
            return;
        }
        if (!_logSumExps.TryGetValue(q, out Tensor? lse))
            _logSumExps.Add(q, lse = logSumExp ?? New(q.Rows, parameters.QueryHeads));
        var (k, v) = _cached[cache];
        Run(output, () => _kernels.Attention(q, rows, cache, parameters, output, lse), dOutput =>
        {
            _kernels.AppendKeyValues(k, v, rows, cache);
            _kernels.AttentionBackward(q, rows, cache, parameters, output, lse, dOutput, Written(q), Written(k), Written(v));
            _logSumExps.Remove(q);
        });
    }

    /// <inheritdoc/>
    public void Route(Tensor logits, int k, bool renormalize, Tensor probabilities, Tensor experts, Tensor weights, Tensor? bias = null)
    {
        if (_nextRouter == _routers.Count)
            _routers.Add(new RouterState(logits.Columns));
        RouterState router = _routers[_nextRouter++];
        if (!IsRecording)
        {
            _kernels.Route(logits, k, renormalize, probabilities, experts, weights, bias);
            KeepRouting(probabilities, experts, weights);
            return;
        }
        Tensor lse = New(1, logits.Rows);
        void Forward()
        {
            if (!ReplayRouting(probabilities, experts, weights))
                _kernels.Route(logits, k, renormalize, probabilities, experts, weights, bias);
            _kernels.LogSumExp(logits, lse);
        }
        Run(weights, Forward, dWeights =>
        {
            Tensor dLogits = New(logits), losses = New(1, 2);
            _kernels.RouteBackward(probabilities, experts, weights, renormalize, dWeights, dLogits);
            float share = router.StepRows == 0 ? 1 : (float)((double)logits.Rows / router.StepRows);
            _kernels.RouterLosses(probabilities, lse, router.Loads, BalanceLoss * share, RouterZLoss * share, losses, dLogits);
            _balance += Read(losses, 0);
            _zLoss += Read(losses, 1);
            _workspace.Release(losses);
            AddGradient(logits, dLogits);
        });
    }

    /// <inheritdoc/>
    public void Dispatch(Tensor experts, Tensor offsets, Tensor order, Tensor place)
    {
        _kernels.Dispatch(experts, offsets, order, place);
        if (CountsLoads && _nextRouter > 0)
            _kernels.CountLoads(offsets, _routers[_nextRouter - 1].Loads);
        if (IsRecording)
            _places[order] = place;
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

    private void ClearRouting()
    {
        _cached.Clear();
        _logSumExps.Clear();
        _places.Clear();
        _nextRouter = 0;
    }
}
