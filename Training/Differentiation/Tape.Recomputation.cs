using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Training;

public sealed partial class Tape
{
    private List<Routing>? _routingKept;
    private Queue<Routing>? _routingReplayed;

    /// <summary>
    /// Runs a layer now without keeping its activations and once more before its backward (Chen et al., arXiv 1604.06174): what
    /// stays is its input and the choices of its routers, with which it is replayed. The gradients are those of
    /// <paramref name="layer"/> recorded as it is, bit for bit. A <see cref="Model.LayerRunner"/>.
    /// </summary>
    /// <param name="input">The stream before the layer.</param>
    /// <param name="layer">Computes the stream after it.</param>
    public Tensor RunRecomputed(Tensor input, Func<Tensor, Tensor> layer)
    {
        if (!IsRecording)
            return layer(input);
        int router = _nextRouter;
        List<Routing> routing = _routingKept = [];
        Tensor? before = _activations.Protected;
        (IsRecording, _activations.Protected) = (false, input);
        Tensor result = layer(input);
        (IsRecording, _activations.Protected, _routingKept) = (true, before, null);
        Run(result, static () => { }, dResult => Replay(input, layer, router, routing, dResult));
        return result;
    }

    private void Replay(Tensor input, Func<Tensor, Tensor> layer, int router, List<Routing> routing, Tensor dResult)
    {
        int mark = _activations.OpenScope(), end = _calls.Count;
        bool counts = CountsLoads;
        (CountsLoads, _nextRouter, _routingReplayed) = (false, router, new Queue<Routing>(routing));
        // Tensors are handed out again: what was known about one that is gone must not be taken for another's.
        _logSumExps.Clear();
        Tensor again = layer(input);
        (CountsLoads, _routingReplayed) = (counts, null);
        // The gradient of the result is from now on that of the replayed one.
        _current = null;
        _gradients.Add(again, dResult);
        Unwind(end);
        Tensor? kept = _gradients.GetValueOrDefault(input);
        _activations.CloseScope(mark, tensor => ReferenceEquals(tensor, kept));
        foreach (Routing choice in routing)
            choice.Release(_workspace);
    }

    // Called by a router after its choice, outside of a replay.
    private void KeepRouting(Tensor probabilities, Tensor experts, Tensor weights)
    {
        if (_routingKept is null)
            return;
        Routing kept = new(New(probabilities), New(experts), New(weights));
        Copy(probabilities, kept.Probabilities);
        Copy(experts, kept.Experts);
        Copy(weights, kept.Weights);
        _routingKept.Add(kept);
    }

    // Called by a router before its choice; false outside of a replay.
    private bool ReplayRouting(Tensor probabilities, Tensor experts, Tensor weights)
    {
        if (_routingReplayed is null)
            return false;
        Routing kept = _routingReplayed.Dequeue();
        Copy(kept.Probabilities, probabilities);
        Copy(kept.Experts, experts);
        Copy(kept.Weights, weights);
        return true;
    }

    private static unsafe void Copy(Tensor from, Tensor to)
    {
        if (from.HasMemory)
            Buffer.MemoryCopy(from.Data, to.Data, to.ByteLength, from.ByteLength);
    }

    /// <summary>What a router chose.</summary>
    private readonly record struct Routing(Tensor Probabilities, Tensor Experts, Tensor Weights)
    {
        public void Release(IWorkspace workspace)
        {
            workspace.Release(Probabilities);
            workspace.Release(Experts);
            workspace.Release(Weights);
        }
    }
}
