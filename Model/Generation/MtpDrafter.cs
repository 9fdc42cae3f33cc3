using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>
/// Drafts with the MTP head. Its cache holds rows of verified tokens only: row i is the trunk's state of position i with
/// the token at i + 1. Draft 1 comes from the row of the last state and the token just chosen; draft n + 1 feeds back
/// the head's own state and draft n, in rows that the next pass overwrites with the trunk's true states.
/// </summary>
public sealed class MtpDrafter : IDrafter
{
    private readonly MellumModel _model;
    private readonly KvCache _cache;
    private readonly ForwardBatch _batch = new();
    private readonly int[] _next = new int[1];
    private LogitsReader? _reader;
    // States whose rows the head has not run yet, because the token after the last one was not known.
    private readonly Tensor _pending;
    private int _pendingPosition;
    private int _pendingCount;

    /// <summary>A drafter for one sequence.</summary>
    public MtpDrafter(MellumModel model, KvCache cache)
    {
        _model = model;
        _cache = cache;
        _pending = Tensor.Allocate(
            model.Context.Kernels.ActivationType, new Shape(cache.Plan.Chunk + 1, model.Configuration.HiddenSize), model.Context.Kernels.Device);
    }

    /// <summary>The bytes of states that wait on a device.</summary>
    /// <param name="configuration">The model.</param>
    /// <param name="chunk">The most tokens of a pass.</param>
    public static long DeviceBytes(ModelConfiguration configuration, int chunk) => (chunk + 1L) * configuration.HiddenSize * sizeof(float);

    /// <inheritdoc/>
    public string Name => "mtp";

    /// <inheritdoc/>
    public int ReusableLength(int length) => Math.Min(length, _cache.MtpLength);

    /// <inheritdoc/>
    public void Reset(int length) => _pendingCount = 0;

    /// <inheritdoc/>
    public void Observe(Tensor states, int firstRow, int count, int position, ReadOnlySpan<int> tokens)
    {
        // Rows whose next token is known by now are run first; that leaves one state at most.
        if (_pendingCount > 0 && _pendingPosition + _pendingCount < tokens.Length && _pendingCount + count > _pending.Rows)
            RunPending(_pendingCount, tokens);
        if (_pendingCount == 0)
            _pendingPosition = position;
        states.CopyRowsTo(firstRow, count, _pending, _pendingCount);
        _pendingCount += count;
        int known = Math.Min(_pendingCount, tokens.Length - 1 - _pendingPosition);
        if (known >= Math.Min(16, _pending.Rows - 1))
            RunPending(known, tokens);
    }

    /// <inheritdoc/>
    public void Draft(int count, TokenHistory history, ISampler sampler, ulong seed, DraftRun run)
    {
        run.Clear();
        if (count == 0 || _pendingCount == 0)
            return;
        int verified = history.Count;
        int position = _pendingPosition + _pendingCount - 1;
        Tensor states = RunHead(_pendingCount, history.Tokens);
        int row = states.Rows - 1;
        for (int i = 0; i < count; i++)
        {
            int id = Draw(states, row, history, sampler, seed, run);
            if (i == count - 1)
                break;
            history.Push(id);
            Tensor last = _model.Context.Activation(1, states.Columns);
            _model.Context.Kernels.CopyRows(states, row, last);
            _model.Context.Release(states);
            _next[0] = id;
            _batch.Clear();
            _batch.Add(_cache, ++position, _next);
            states = _model.Mtp(_batch, last);
            row = 0;
            _cache.SetMtpLength(_cache.MtpLength, position + 1);
            _model.Context.Release(last);
        }
        _model.Context.Release(states);
        history.PopTo(verified);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _reader?.Dispose();
        _pending.Dispose();
    }

    private int Draw(Tensor states, int row, TokenHistory history, ISampler sampler, ulong seed, DraftRun run)
    {
        if (_reader is null || !ReferenceEquals(_reader.Sampler, sampler))
        {
            _reader?.Dispose();
            _reader = new LogitsReader(_model, sampler, 1);
        }
        Tensor logits = _model.Logits(states, row, 1);
        int id;
        if (sampler.IsGreedy)
        {
            _reader.TakeBest(logits);
            id = _reader.Choose(logits, 0, history);
            run.AddCertain(id);
        }
        else
        {
            Span<float> probabilities = run.Probabilities(run.Count);
            _reader.Distribution(logits, 0, history, probabilities);
            id = Draws.FromDistribution(probabilities, Philox.Uniform(seed, (ulong)history.Count, RandomPurpose.Draft));
            run.AddDrawn(id);
        }
        _model.Context.Release(logits);
        return id;
    }

    private void RunPending(int count, ReadOnlySpan<int> tokens) => _model.Context.Release(RunHead(count, tokens));

    /// <summary>Runs the first <paramref name="count"/> pending rows and keeps the rest.</summary>
    private Tensor RunHead(int count, ReadOnlySpan<int> tokens)
    {
        _batch.Clear();
        _batch.Add(_cache, _pendingPosition, tokens.Slice(_pendingPosition + 1, count));
        Tensor rows = _model.Context.Activation(count, _pending.Columns);
        _model.Context.Kernels.CopyRows(_pending, 0, rows);
        Tensor states = _model.Mtp(_batch, rows);
        _model.Context.Release(rows);
        _cache.SetMtpLength(_pendingPosition + count, 0);
        int rest = _pendingCount - count;
        _pending.CopyRowsTo(count, rest, _pending, 0);
        _pendingPosition += count;
        _pendingCount = rest;
        return states;
    }
}
