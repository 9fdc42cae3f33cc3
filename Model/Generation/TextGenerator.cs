using System.Diagnostics;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

/// <summary>Receives text while it is generated; the bytes are whole characters and valid during the call only.</summary>
public delegate void TextSink(ReadOnlySpan<byte> utf8);

/// <summary>What a generation gave.</summary>
/// <param name="PromptTokens">Tokens of the prompt.</param>
/// <param name="Tokens">The generated tokens, the one that ended it left out.</param>
/// <param name="Reason">Why it ended.</param>
/// <param name="Speculation">What speculation achieved in this generation.</param>
/// <param name="PrefillTime">From the prompt to the first token.</param>
/// <param name="DecodeTime">From the first token to the last.</param>
public sealed record GenerationResult(
    int PromptTokens,
    IReadOnlyList<GeneratedToken> Tokens,
    FinishReason Reason,
    SpeculationStatistics Speculation,
    TimeSpan PrefillTime,
    TimeSpan DecodeTime);

/// <summary>
/// Generates text: a <see cref="TokenDecoder"/> with a tokenizer behind it, stop conditions and streaming. Between a token
/// and its bytes nothing is allocated. One generator serves one conversation: a prompt that begins like the last one
/// continues from the cache.
/// </summary>
public sealed class TextGenerator : IDisposable
{
    private readonly Tokenizer _tokenizer;
    private readonly TokenDecoder _decoder;
    private readonly GenerationOptions _options;
    private readonly HashSet<int> _stopIds;

    /// <summary>A generator over a context of <paramref name="context"/> tokens.</summary>
    public TextGenerator(MellumModel model, Tokenizer tokenizer, GenerationOptions options, int context)
    {
        _tokenizer = tokenizer;
        _options = options;
        _stopIds = [.. options.StopIds];
        if (!options.IgnoreEndOfText)
            _stopIds.UnionWith(model.Configuration.EosTokenIds);
        _decoder = new TokenDecoder(model, new DecoderOptions
        {
            Context = context,
            Chunk = options.Chunk,
            Sampler = options.CustomSampler ?? StandardSampler.Create(options.Sampling, model.Configuration.VocabularySize),
            Seed = options.Seed,
            LogProbabilities = options.LogProbabilities,
            Speculation = options.Speculation,
        });
    }

    /// <summary>The decoder, for its cache and tokens.</summary>
    public TokenDecoder Decoder => _decoder;

    /// <summary>Generates after <paramref name="prompt"/> until a stop condition holds.</summary>
    /// <param name="prompt">The prompt's tokens.</param>
    /// <param name="sink">Receives the text.</param>
    /// <param name="progress">Told how many tokens of the prompt have been taken in.</param>
    /// <param name="cancel">Ends the generation; what was generated stays.</param>
    public GenerationResult Run(
        ReadOnlySpan<int> prompt, TextSink sink, IProgress<int>? progress = null, CancellationToken cancel = default)
    {
        long start = Stopwatch.GetTimestamp();
        SpeculationStatistics before = _decoder.Statistics;
        List<GeneratedToken> tokens = new(Math.Min(_options.MaxTokens, 4096));
        TokenStream stream = _tokenizer.CreateStream(skipSpecial: !_options.ShowSpecialTokens);
        StopMatcher matcher = new(_options.StopStrings);
        byte[] decoded = new byte[stream.MaxBytesPerToken], text = new byte[decoded.Length + matcher.MostHeld];
        FinishReason reason = FinishReason.Length;
        long first = start;
        try
        {
            _decoder.Prefill(prompt, progress, cancel);
            first = Stopwatch.GetTimestamp();
            reason = Decode(tokens, stream, matcher, decoded, text, sink, cancel);
        }
        catch (OperationCanceledException)
        {
            reason = FinishReason.Cancelled;
        }
        if (reason != FinishReason.StopString)
        {
            int count = matcher.Append(decoded.AsSpan(0, stream.Flush(decoded)), text, out _);
            count += matcher.Flush(text.AsSpan(count));
            if (count > 0)
                sink(text.AsSpan(0, count));
        }
        _decoder.Stop();
        SpeculationStatistics after = _decoder.Statistics;
        return new GenerationResult(
            prompt.Length,
            tokens,
            reason,
            new SpeculationStatistics(
                after.Passes - before.Passes, after.Tokens - before.Tokens, after.Drafted - before.Drafted, after.Accepted - before.Accepted),
            Stopwatch.GetElapsedTime(start, first),
            Stopwatch.GetElapsedTime(first));
    }

    /// <inheritdoc/>
    public void Dispose() => _decoder.Dispose();

    private FinishReason Decode(
        List<GeneratedToken> tokens, TokenStream stream, StopMatcher matcher, byte[] decoded, byte[] text, TextSink sink, CancellationToken cancel)
    {
        while (tokens.Count < _options.MaxTokens)
        {
            if (cancel.IsCancellationRequested)
                return FinishReason.Cancelled;
            if (!_decoder.TryNext(out GeneratedToken token))
                return FinishReason.ContextFull;
            if (_stopIds.Contains(token.Id))
                return FinishReason.StopToken;
            tokens.Add(token);
            int count = matcher.Append(decoded.AsSpan(0, stream.Append(token.Id, decoded)), text, out bool stopped);
            if (count > 0)
                sink(text.AsSpan(0, count));
            if (stopped)
                return FinishReason.StopString;
        }
        return FinishReason.Length;
    }
}
