using System.Diagnostics;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Cli;

/// <summary>The rates of several rounds.</summary>
internal readonly record struct Rates(double Median, double Least, double Most)
{
    public static Rates Of(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        int half = sorted.Length / 2;
        return new Rates(sorted.Length % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2, sorted[0], sorted[^1]);
    }
}

/// <summary>What the rounds of one way of decoding gave, in tokens per second.</summary>
/// <param name="Prefill">Reading the prompt.</param>
/// <param name="Decode">Writing.</param>
/// <param name="Drafter">Who drafted; null for plain decoding.</param>
/// <param name="Statistics">What speculation achieved over all rounds.</param>
internal sealed record BenchResult(Rates Prefill, Rates Decode, string? Drafter, SpeculationStatistics Statistics);

/// <summary>
/// Measures prefill and decoding of a model, each round on a fresh cache and the ways of decoding in turns, so that a
/// machine that slows down slows down all alike. A first round warms up and does not count.
/// </summary>
internal sealed class BenchRun(MellumModel model, int[] prompt, int decodeTokens, int rounds, int context, CancellationToken cancel)
{
    /// <summary>Runs all rounds of all ways.</summary>
    public BenchResult[] Measure(IReadOnlyList<SpeculationOptions> ways, Action<int, int> progress)
    {
        List<Round>[] results = [.. ways.Select(_ => new List<Round>())];
        for (int round = -1; round < rounds; round++)
        {
            for (int way = 0; way < ways.Count; way++)
            {
                Round result = Run(ways[way]);
                if (round >= 0)
                    results[way].Add(result);
            }
            progress(round + 1, rounds);
        }
        return [.. results.Select(Summarize)];
    }

    private static BenchResult Summarize(List<Round> rounds) => new(
        Rates.Of(rounds.Select(round => round.Prefill)),
        Rates.Of(rounds.Select(round => round.Decode)),
        rounds[0].Drafter,
        new SpeculationStatistics(
            rounds.Sum(round => round.Statistics.Passes),
            rounds.Sum(round => round.Statistics.Tokens),
            rounds.Sum(round => round.Statistics.Drafted),
            rounds.Sum(round => round.Statistics.Accepted)));

    private Round Run(SpeculationOptions way)
    {
        using TokenDecoder decoder = new(model, new DecoderOptions
        {
            Context = context,
            Sampler = StandardSampler.Create(SamplerOptions.Greedy, model.Configuration.VocabularySize),
            Speculation = way,
        });
        long start = Stopwatch.GetTimestamp();
        decoder.Prefill(prompt, null, cancel);
        TimeSpan prefill = Stopwatch.GetElapsedTime(start);
        // The prefill gives the first token.
        decoder.TryNext(out _);
        start = Stopwatch.GetTimestamp();
        for (int i = 0; i < decodeTokens; i++)
        {
            cancel.ThrowIfCancellationRequested();
            decoder.TryNext(out _);
        }
        TimeSpan decode = Stopwatch.GetElapsedTime(start);
        return new Round(
            GenerationReport.Rate(prompt.Length, prefill), GenerationReport.Rate(decodeTokens, decode), decoder.DrafterName, decoder.Statistics);
    }

    private readonly record struct Round(double Prefill, double Decode, string? Drafter, SpeculationStatistics Statistics);
}
