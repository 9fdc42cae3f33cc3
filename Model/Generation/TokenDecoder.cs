using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>A generated token.</summary>
/// <param name="Id">The token.</param>
/// <param name="LogProbability">
/// Its natural log-probability under the model itself (softmax of the logits, before penalties, temperature and cuts);
/// NaN when not asked for.
/// </param>
public readonly record struct GeneratedToken(int Id, float LogProbability);

/// <summary>What a <see cref="TokenDecoder"/> needs to know.</summary>
public sealed record DecoderOptions
{
    /// <summary>The most tokens of prompt and output together.</summary>
    public required int Context { get; init; }

    /// <summary>Tokens per prefill pass; more is faster up to a point and takes more memory.</summary>
    public int Chunk { get; init; } = 512;

    /// <summary>Makes distributions of logits.</summary>
    public required ISampler Sampler { get; init; }

    /// <summary>The seed of all random choices.</summary>
    public ulong Seed { get; init; }

    /// <summary>Whether log-probabilities are computed.</summary>
    public bool LogProbabilities { get; init; }

    /// <summary>How to speculate.</summary>
    public SpeculationOptions Speculation { get; init; } = SpeculationOptions.Off;

    /// <summary>A drafter of the caller's own, instead of the one that <see cref="Speculation"/> names.</summary>
    public Func<MellumModel, KvCache, IDrafter>? CustomDrafter { get; init; }
}

/// <summary>
/// Generates the tokens of one sequence: prefill in chunks, then one token or one verified run of drafts per trunk pass.
/// With the same sampler the tokens are distributed as without drafts; greedy ones are the same tokens. Nothing is
/// allocated per token after the first passes.
/// </summary>
public sealed class TokenDecoder : IDisposable
{
    // What a trained head reaches on code; if not even that pays, as with models that live in the caches, look-up drafts.
    private const double LikelyAcceptance = 0.9;

    private readonly MellumModel _model;
    private readonly DecoderOptions _options;
    private readonly KvCache _cache;
    private readonly TokenHistory _history;
    private readonly IDrafter? _drafter;
    private readonly DraftRun _run;
    private readonly DraftLength _draftLength;
    private readonly ForwardBatch _batch = new();
    private readonly int[] _input;
    private readonly float[] _probabilities;
    private readonly DecodeState? _state;
    private readonly LogitsReader _reader;
    private readonly float[] _logProbabilities;
    private int _emitted;
    private long _passes, _tokens, _drafted, _accepted;

    /// <summary>Plans and allocates the cache.</summary>
    public TokenDecoder(MellumModel model, DecoderOptions options)
    {
        if (options.Context < 1 || options.Context > model.Configuration.MaximumPositions)
            throw new InvalidInputException(
                $"A context of {options.Context} tokens was asked for; the model has positions for 1 to {model.Configuration.MaximumPositions}.");
        _model = model;
        Seed = options.Seed;
        _options = options;
        DraftKind kind = Resolve(options, model);
        int mostDrafts = options.Speculation.DraftTokens ?? SpeculationOptions.MostDrafts;
        if (mostDrafts is < 0 or > SpeculationOptions.MostDrafts)
            throw new InvalidInputException(
                $"{mostDrafts} tokens per draft were asked for; 0 to {SpeculationOptions.MostDrafts} are possible.");
        int chunk = Math.Max(Math.Min(options.Chunk, options.Context), 2 * mostDrafts + 18);
        _input = new int[SpeculationOptions.MostDrafts + 1];
        Device device = model.Context.Kernels.Device;
        // Prompts have passes of all sizes, and a device's memory is planned.
        if (!ReferenceEquals(device, Device.Cpu) && model.Context.Workspace is PooledWorkspace workspace)
            workspace.Reserve(ActivationPlan.Bytes(model.Configuration, chunk, mostDrafts + 1, model.HasMtp));
        try
        {
            _cache = model.CreateCache(options.Context, chunk);
            _drafter = options.CustomDrafter is { } custom ? custom(model, _cache) : kind switch
            {
                DraftKind.Mtp => new MtpDrafter(model, _cache),
                DraftKind.Lookup => new LookupDrafter(),
                _ => null,
            };
            if (_drafter is null && !ReferenceEquals(device, Device.Cpu))
                _state = new DecodeState(device);
            _reader = new LogitsReader(model, options.Sampler, _input.Length);
        }
        catch
        {
            // A device that has no room for the last of them is not to be kept full by the others.
            Dispose();
            throw;
        }
        _history = new TokenHistory(model.Configuration.VocabularySize, options.Context + 1);
        _run = new DraftRun(SpeculationOptions.MostDrafts, model.Configuration.VocabularySize);
        _draftLength = new DraftLength(options.Speculation, new DraftCost(model.Configuration, _drafter is MtpDrafter));
        _probabilities = new float[model.Configuration.VocabularySize];
        _logProbabilities = new float[options.Context + 1];
    }

    /// <summary>Prompt and output so far, tokens that were not read yet left out.</summary>
    public ReadOnlySpan<int> Tokens => _history.Tokens[.._emitted];

    /// <summary>The keys and values.</summary>
    public KvCache Cache => _cache;

    /// <summary>Who drafts; null for plain decoding.</summary>
    public string? DrafterName => _drafter?.Name;

    /// <summary>The seed of all random choices; it may be changed between prompts.</summary>
    public ulong Seed { get; set; }

    /// <summary>What speculation achieved since the decoder was made.</summary>
    public SpeculationStatistics Statistics => new(_passes, _tokens, _drafted, _accepted);

    /// <summary>
    /// Takes a prompt. What it has in common with the sequence so far is not run again where the cache still holds it;
    /// logits are those of a fresh run.
    /// </summary>
    /// <param name="prompt">The tokens; at least one.</param>
    /// <param name="progress">Told how many tokens of the prompt are in the cache.</param>
    /// <param name="cancel">Stops between chunks.</param>
    public void Prefill(ReadOnlySpan<int> prompt, IProgress<int>? progress = null, CancellationToken cancel = default)
    {
        if (prompt.IsEmpty)
            throw new InvalidInputException("The prompt has no tokens; at least one is needed to continue from.");
        if (prompt.Length > _options.Context)
            throw new InvalidInputException($"The prompt has {prompt.Length} tokens, the context room for {_options.Context}.");
        foreach (int id in prompt)
            if ((uint)id >= (uint)_model.Configuration.VocabularySize)
                throw new InvalidInputException(
                    $"Token {id} of the prompt is outside of the vocabulary of {_model.Configuration.VocabularySize}.");
        int start = Reuse(prompt);
        _history.Reset(prompt);
        _emitted = prompt.Length;
        for (int position = start; position < prompt.Length; position += _cache.Plan.Chunk)
        {
            cancel.ThrowIfCancellationRequested();
            int count = Math.Min(_cache.Plan.Chunk, prompt.Length - position);
            _batch.Clear();
            _batch.Add(_cache, position, prompt.Slice(position, count));
            Tensor states = RunTrunk(out Tensor drafterStates);
            _drafter?.Observe(drafterStates, 0, count, position, prompt);
            if (position + count == prompt.Length)
            {
                Tensor logits = _model.Logits(states, count - 1, 1);
                _reader.TakeBest(logits, _state);
                Choose(logits, 0);
                _model.Context.Release(logits);
            }
            Release(states, drafterStates);
            progress?.Report(position + count);
        }
    }

    /// <summary>
    /// The next token. It runs the trunk when no verified token is left, so the time between calls is that of a pass or
    /// next to nothing.
    /// </summary>
    /// <returns>False when the context is full.</returns>
    public bool TryNext(out GeneratedToken token)
    {
        if (_emitted == _history.Count && _history.Count < _options.Context)
            Pass();
        if (_emitted >= Math.Min(_history.Count, _options.Context))
        {
            token = default;
            return false;
        }
        token = new GeneratedToken(_history.Tokens[_emitted], _logProbabilities[_emitted]);
        _emitted++;
        return true;
    }

    /// <summary>Ends here: tokens that were verified but not read are taken back, out of the cache too.</summary>
    public void Stop()
    {
        _history.PopTo(_emitted);
        if (_cache.Length > _emitted)
            _cache.Truncate(_emitted);
        _drafter?.Reset(_cache.Length);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _drafter?.Dispose();
        _state?.Dispose();
        _reader?.Dispose();
        _cache?.Dispose();
    }

    private static DraftKind Resolve(DecoderOptions options, MellumModel model) => options.Speculation.Kind switch
    {
        DraftKind.Auto => model.HasMtp && (options.Speculation.DraftTokens is not null || MtpCanPay(model)) ? DraftKind.Mtp : DraftKind.Lookup,
        DraftKind.Mtp when !model.HasMtp => throw new InvalidInputException(
            "The checkpoint has no MTP head to draft with; use prompt look-up or no speculation."),
        DraftKind kind => kind,
    };

    private static bool MtpCanPay(MellumModel model) =>
        new DraftCost(model.Configuration, draftsWithMtp: true).BestCount(LikelyAcceptance, SpeculationOptions.MostDrafts) > 0;

    private int Reuse(ReadOnlySpan<int> prompt)
    {
        // The last common token is run again: its state gives the first logits, and it may be followed by another token.
        int common = prompt.CommonPrefixLength(_history.Tokens[..Math.Min(_history.Count, _cache.Length)]);
        int start = Math.Max(0, Math.Min(common, prompt.Length) - 1);
        if (_drafter is not null)
            start = _drafter.ReusableLength(start);
        if (_cache.CanTruncateTo(start))
        {
            _cache.Truncate(start);
        }
        else
        {
            _cache.Clear();
            start = 0;
        }
        if (_drafter is not null && _drafter.ReusableLength(start) < start)
        {
            _cache.Clear();
            start = 0;
        }
        _drafter?.Reset(start);
        return start;
    }

    /// <summary>One trunk pass: the last token and drafts for those after it.</summary>
    private void Pass()
    {
        int room = _options.Context - _history.Count - 1;
        int wanted = _drafter is null ? 0 : Math.Min(_draftLength.Next(), Math.Max(room, 0));
        _run.Clear();
        _drafter?.Draft(wanted, _history, _options.Sampler, Seed, _run);
        int drafts = _run.Count, position = _history.Count - 1;
        // After a stop inside a verified run the last token is in the cache already; it is run again for its logits.
        if (_cache.Length > position)
            _cache.Truncate(position);
        _input[0] = _history.Tokens[^1];
        _run.Ids.CopyTo(_input.AsSpan(1));
        if (_state is not null)
        {
            _batch.SetNext(_cache, position, _input[0], _state);
        }
        else
        {
            _batch.Clear();
            _batch.Add(_cache, position, _input.AsSpan(0, drafts + 1));
        }
        Tensor states = RunTrunk(out Tensor drafterStates);
        Tensor logits = _model.Logits(states, 0, drafts + 1);
        _state?.Advance(_model.Context.Kernels);
        _reader.TakeBest(logits, _state);
        int accepted = 0;
        while (accepted < drafts && Verify(logits, accepted))
            accepted++;
        if (accepted == drafts)
            Choose(logits, drafts);
        _cache.Truncate(position + 1 + accepted);
        _drafter?.Observe(drafterStates, 0, accepted + 1, position, _history.Tokens);
        _model.Context.Release(logits);
        Release(states, drafterStates);
        _passes++;
        _tokens += accepted + 1;
        _drafted += drafts;
        _accepted += accepted;
        _draftLength.Count(drafts, accepted);
    }

    /// <summary>Pushes draft <paramref name="index"/> if it is accepted, else the token that stands in its place.</summary>
    private bool Verify(Tensor logits, int index)
    {
        int draft = _run.Ids[index];
        if (_options.Sampler.IsGreedy)
        {
            int best = _reader.Choose(logits, index, _history);
            Push(best, logits, index);
            return best == draft;
        }
        _reader.Distribution(logits, index, _history, _probabilities);
        float q = _run.IsCertain(index) ? 1 : _run.Probabilities(index)[draft];
        if (Random(RandomPurpose.Accept) < Speculative.Acceptance(_probabilities[draft], q))
        {
            Push(draft, logits, index);
            return true;
        }
        if (_run.IsCertain(index))
            _probabilities[draft] = 0;
        else
            Speculative.Residual(_probabilities, _run.Probabilities(index), _probabilities);
        Push(Draws.FromDistribution(_probabilities, Random(RandomPurpose.Sample)), logits, index);
        return false;
    }

    private void Choose(Tensor logits, int index)
    {
        if (_options.Sampler.IsGreedy)
        {
            Push(_reader.Choose(logits, index, _history), logits, index);
            return;
        }
        _reader.Distribution(logits, index, _history, _probabilities);
        Push(Draws.FromDistribution(_probabilities, Random(RandomPurpose.Sample)), logits, index);
    }

    private void Push(int id, Tensor logits, int index)
    {
        _logProbabilities[_history.Count] = _options.LogProbabilities ? _model.LogProbability(logits, index, id) : float.NaN;
        _history.Push(id);
    }

    private double Random(uint purpose) => Philox.Uniform(Seed, (ulong)_history.Count, purpose);

    private Tensor RunTrunk(out Tensor drafterStates)
    {
        bool before = _drafter is not null && !_model.Configuration.MtpTakesNormedState;
        Tensor states = _model.Trunk(_batch, before, out Tensor? beforeNorm);
        drafterStates = beforeNorm ?? states;
        return states;
    }

    private void Release(Tensor states, Tensor drafterStates)
    {
        _model.Context.Release(states);
        if (!ReferenceEquals(states, drafterStates))
            _model.Context.Release(drafterStates);
    }
}
