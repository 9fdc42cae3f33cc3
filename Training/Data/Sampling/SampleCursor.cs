using System.IO.Hashing;
using System.Runtime.InteropServices;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Training;

/// <summary>Walks through the samples of a plan: the source by the plan, within a source each sample once an epoch, in an order of its own each epoch.</summary>
internal sealed class SampleCursor
{
    private readonly IReadOnlyList<TokenDataset> _sources;
    private readonly MixturePlan _plan;
    private readonly StreamOptions _options;
    private readonly ulong _fingerprint;
    private readonly long[] _drawn, _drawnInPhase;
    private long _position;

    public SampleCursor(IReadOnlyList<TokenDataset> sources, MixturePlan plan, StreamOptions options, StreamState? state)
    {
        RequireMatching(sources, plan);
        _sources = sources;
        _plan = plan;
        _options = options;
        _fingerprint = FingerprintOf(sources, plan, options.Seed);
        _drawn = new long[plan.Sources];
        _drawnInPhase = new long[plan.Sources];
        if (state is not null)
            Restore(state);
    }

    /// <summary>The position; a copy.</summary>
    public StreamState State => new(_fingerprint, [.. _drawn], [.. _drawnInPhase]);

    /// <summary>Fills a batch with what comes next.</summary>
    /// <returns>Whether there was anything.</returns>
    public bool Read(SampleBatch batch)
    {
        batch.Clear();
        while (batch.Rows < batch.Capacity && _position < _plan.Samples)
        {
            (int phase, long local) = _plan.Locate(_position);
            if (local == 0)
                Array.Clear(_drawnInPhase);
            int source = _plan.Choose(phase, _drawnInPhase);
            batch.Add(_sources[source], SampleOf(source, _drawn[source]), source, _options.Positions);
            _drawn[source]++;
            _drawnInPhase[source]++;
            _position++;
        }
        batch.End(State);
        return batch.Rows > 0;
    }

    private long SampleOf(int source, long drawn)
    {
        long count = _sources[source].Count, epoch = drawn / count;
        ulong key = Philox.Bits(Philox.Bits(_options.Seed, (ulong)source, DataPurpose.SourceKey), (ulong)epoch, DataPurpose.SourceKey);
        return new FeistelPermutation(count, key)[drawn % count];
    }

    private void Restore(StreamState state)
    {
        if (state.Fingerprint != _fingerprint)
            throw new InvalidInputException("The state of a stream of samples belongs to other data, another mixture or another seed.");
        bool isRight = state.Drawn.Count == _drawn.Length && state.DrawnInPhase.Count == _drawn.Length
            && state.Drawn.Zip(state.DrawnInPhase).All(pair => pair.First >= pair.Second && pair.Second >= 0 && pair.First <= _plan.Samples)
            && state.Position <= _plan.Samples;
        if (isRight && state.Position > 0)
            isRight = state.DrawnInPhase.Sum() == _plan.Locate(state.Position - 1).Local + 1;
        if (!isRight)
            throw new InvalidInputException("The state of a stream of samples is damaged: its counts do not fit the mixture.");
        for (int i = 0; i < _drawn.Length; i++)
            (_drawn[i], _drawnInPhase[i]) = (state.Drawn[i], state.DrawnInPhase[i]);
        _position = state.Position;
    }

    private static void RequireMatching(IReadOnlyList<TokenDataset> sources, MixturePlan plan)
    {
        if (sources.Count != plan.Sources)
            throw new InvalidInputException($"The mixture has weights for {plan.Sources} sources, but there are {sources.Count}.");
        foreach (TokenDataset source in sources)
        {
            if (!source.IsPacked)
                throw new InvalidInputException($"{source.Path} holds documents; a packed data set is expected.");
            sources[0].Vocabulary.Require(source.Vocabulary, source.Path);
            if (source.SequenceLength != sources[0].SequenceLength)
                throw new InvalidInputException($"{source.Path} has samples of {source.SequenceLength} tokens, but {sources[0].SequenceLength} are expected as in {sources[0].Path}.");
        }
    }

    private static ulong FingerprintOf(IReadOnlyList<TokenDataset> sources, MixturePlan plan, ulong seed)
    {
        XxHash3 hash = new();
        void Append(ReadOnlySpan<ulong> values) => hash.Append(MemoryMarshal.AsBytes(values));
        Append([seed, (ulong)sources.Count]);
        foreach (TokenDataset source in sources)
            Append([source.Vocabulary.Hash, source.ContentHash, (ulong)source.Count]);
        foreach (MixturePhase phase in plan.Phases)
        {
            Append([(ulong)phase.Samples]);
            foreach (double weight in phase.Weights)
                Append([BitConverter.DoubleToUInt64Bits(weight)]);
        }
        return hash.GetCurrentHashAsUInt64();
    }
}
