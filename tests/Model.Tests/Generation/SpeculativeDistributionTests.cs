using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model.Tests;

/// <summary>
/// The decoder as a whole: three tokens in a row, drafted and verified under penalties, top-k and min-p, are distributed
/// as the product of the target's conditional distributions, which are computed one position at a time without drafts.
/// </summary>
[Collection(ModelCollection.Name)]
public sealed class SpeculativeDistributionTests
{
    private const int Runs = 100_000;

    private static readonly int[] s_prompt = [7, 301, 44, 19, 7, 301, 44, 23, 5, 7, 301];

    private static readonly SamplerOptions s_sampling =
        new() { Temperature = 1.7, TopK = 5, MinP = 0.02, RepetitionPenalty = 1.3, PresencePenalty = 0.4, FrequencyPenalty = 0.2 };

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Three_sampled_tokens_have_the_targets_joint_distribution(bool drawnDrafts)
    {
        Assert.True(PValue(drawnDrafts, s_sampling) > 0.001);
    }

    [Fact]
    public void The_test_notices_a_penalty_that_drafts_do_not_see()
    {
        // The expectation for samplers whose history ends with the prompt is another one.
        Assert.True(PValue(drawnDrafts: true, s_sampling with { RepetitionPenalty = 1, PresencePenalty = 0, FrequencyPenalty = 0 }) < 1e-6);
    }

    private static double PValue(bool drawnDrafts, SamplerOptions decoding)
    {
        using Mellum mellum = TestModels.Load("models/tiny", "simd", threads: 1);
        MellumModel model = mellum.Model;
        Dictionary<(int, int, int), double> expected = Expected(model);
        using TokenDecoder decoder = new(model, new DecoderOptions
        {
            Context = 40,
            Sampler = StandardSampler.Create(decoding, model.Configuration.VocabularySize),
            Speculation = new SpeculationOptions(drawnDrafts ? DraftKind.Mtp : DraftKind.None, 2),
            CustomDrafter = drawnDrafts ? null : (_, _) => new OracleDrafter([.. s_prompt, .. Likely(model)]),
        });
        Dictionary<(int, int, int), long> counts = [];
        for (ulong run = 0; run < Runs; run++)
        {
            decoder.Seed = run;
            decoder.Prefill(s_prompt);
            int[] t = Decoding.Read(decoder, 3);
            decoder.Stop();
            counts[(t[0], t[1], t[2])] = counts.GetValueOrDefault((t[0], t[1], t[2])) + 1;
        }
        Assert.True(decoder.Statistics.Accepted > 0);
        Assert.True(decoder.Statistics.Accepted < decoder.Statistics.Drafted);
        double statistic = 0, rest = 0, restExpected = 0;
        int cells = 0;
        foreach (var (tokens, probability) in expected)
        {
            double want = probability * Runs, got = counts.GetValueOrDefault(tokens);
            // Cells that are too small for the approximation are one cell together.
            if (want < 10)
            {
                rest += got;
                restExpected += want;
                continue;
            }
            statistic += (got - want) * (got - want) / want;
            cells++;
        }
        if (restExpected >= 10)
        {
            statistic += (rest - restExpected) * (rest - restExpected) / restExpected;
            cells++;
        }
        long outside = counts.Where(pair => !expected.ContainsKey(pair.Key)).Sum(pair => pair.Value);
        return outside > 0 ? 0 : ChiSquare.UpperTail(statistic, cells - 1);
    }

    /// <summary>The most probable continuation: drafts that are point masses and accepted now and then.</summary>
    private static int[] Likely(MellumModel model)
    {
        int first = Next(model, [])[0].Token, second = Next(model, [first])[0].Token;
        return [first, second, Next(model, [first, second])[0].Token];
    }

    private static Dictionary<(int, int, int), double> Expected(MellumModel model)
    {
        Dictionary<(int, int, int), double> joint = [];
        foreach (var (a, pa) in Next(model, []))
            foreach (var (b, pb) in Next(model, [a]))
                foreach (var (c, pc) in Next(model, [a, b]))
                    joint[(a, b, c)] = pa * pb * pc;
        return joint;
    }

    private static List<(int Token, double Probability)> Next(MellumModel model, int[] output)
    {
        int[] ids = [.. s_prompt, .. output];
        ForwardRun run = ForwardRun.Of(model, ids);
        int vocabulary = model.Configuration.VocabularySize;
        TokenHistory history = new(vocabulary, 64);
        history.Reset(s_prompt);
        foreach (int token in output)
            history.Push(token);
        SamplerDistribution distribution = new(vocabulary);
        distribution.Compute(run.LogitValues.AsSpan((ids.Length - 1) * vocabulary, vocabulary), s_sampling, history);
        List<(int, double)> next = [];
        for (int i = 0; i < distribution.Ids.Length; i++)
            next.Add((distribution.Ids[i], distribution.Probabilities[i]));
        return next;
    }
}
