using Mellum2.Managed.Model;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Gpu.Tests;

/// <summary>Sampling from the candidates that a device sends.</summary>
public sealed class SampledDecodingTests
{
    private static readonly SamplerOptions[] s_options =
    [
        new() { TopK = 20 },
        new() { TopK = 256, TopP = 0.9, MinP = 0.01, Temperature = 1.5 },
        new() { TopK = 5, RepetitionPenalty = 1.3, FrequencyPenalty = 0.2, PresencePenalty = -0.4 },
        new() { TopK = 1, RepetitionPenalty = 0.5 },
    ];

    public static IEnumerable<object[]> Cases() =>
        from device in TestDevices.Names
        from index in Enumerable.Range(0, s_options.Length)
        from drafts in new[] { 0, 2 }
        where !TestDevices.IsEmulator((string)device[0]) || (index == 2 && drafts == 0)
        select new object[] { device[0], index, drafts };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Candidates_give_the_tokens_that_whole_rows_give(string device, int index, int drafts)
    {
        using Mellum mellum = Mellum.Load(GoldenFolder.Find("models", "tiny"), new MellumOptions { Device = device });
        StandardSampler sampler = StandardSampler.Create(s_options[index], mellum.Model.Configuration.VocabularySize);
        Assert.True(sampler.TopK > 0);
        int count = TestDevices.IsEmulator(device) ? 2 : 60;
        WholeRows rows = new(sampler);
        Counting counting = new(sampler);
        Assert.Equal(Generate(mellum.Model, rows, count, drafts), Generate(mellum.Model, counting, count, drafts));
        Assert.True(counting.Parts > 0);
    }

    private static int[] Generate(MellumModel model, ISampler sampler, int count, int drafts)
    {
        using TokenDecoder decoder = new(model, new DecoderOptions
        {
            Context = count + 4,
            Sampler = sampler,
            Seed = 5,
            Speculation = drafts == 0 ? SpeculationOptions.Off : new SpeculationOptions(DraftKind.Mtp, drafts),
        });
        decoder.Prefill([1, 2, 1]);
        List<int> tokens = [];
        while (tokens.Count < count && decoder.TryNext(out GeneratedToken token))
            tokens.Add(token.Id);
        return [.. tokens];
    }

    private sealed class WholeRows(ISampler sampler) : ISampler
    {
        public bool IsGreedy => false;

        public void Distribution(ReadOnlySpan<float> logits, TokenHistory history, Span<float> probabilities) =>
            sampler.Distribution(logits, history, probabilities);

        public int Choose(ReadOnlySpan<float> logits, TokenHistory history) => sampler.Choose(logits, history);
    }

    private sealed class Counting(ISampler sampler) : ISampler
    {
        public int Parts { get; private set; }

        public bool IsGreedy => false;

        public int TopK => sampler.TopK;

        public bool UsesHistory => sampler.UsesHistory;

        public void Distribution(ReadOnlySpan<float> logits, TokenHistory history, Span<float> probabilities) =>
            sampler.Distribution(logits, history, probabilities);

        public bool TryDistribution(ReadOnlySpan<float> logits, ReadOnlySpan<int> ids, TokenHistory history, Span<float> probabilities)
        {
            Parts++;
            return sampler.TryDistribution(logits, ids, history, probabilities);
        }

        public int Choose(ReadOnlySpan<float> logits, TokenHistory history) => sampler.Choose(logits, history);
    }
}
