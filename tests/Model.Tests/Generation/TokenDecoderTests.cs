using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Model.Tests;

/// <summary>What a decoder promises besides its tokens: statistics, stopping, reuse of the cache, memory.</summary>
[Collection(ModelCollection.Name)]
public sealed class TokenDecoderTests
{
    private static readonly MellumModel s_mini = TestModels.Get("mini", "simd").Model;

    private static int[] Prompt(int index) => GoldenTensors.Load("mini", "expected.safetensors").Integers($"p{index}.ids");

    private static TokenDecoder Decoder(
        SpeculationOptions speculation, SamplerOptions? sampling = null, int context = 400, bool logProbabilities = false, ulong seed = 0, int chunk = 64) =>
        new(s_mini, new DecoderOptions
        {
            Context = context,
            Chunk = chunk,
            Sampler = StandardSampler.Create(sampling ?? SamplerOptions.Greedy, s_mini.Configuration.VocabularySize),
            Speculation = speculation,
            LogProbabilities = logProbabilities,
            Seed = seed,
        });

    [Fact]
    public void An_oracle_gives_k_plus_one_tokens_per_pass_and_a_hostile_draft_one()
    {
        int[] prompt = Prompt(1), plain = Decoding.Greedy(s_mini, prompt, 61), sequence = [.. prompt, .. plain];
        SpeculationStatistics Run(IDrafter drafter)
        {
            using TokenDecoder decoder = new(s_mini, new DecoderOptions
            {
                Context = 300,
                Sampler = Decoding.GreedySampler(s_mini),
                Speculation = new SpeculationOptions(DraftKind.None, 4),
                CustomDrafter = (_, _) => drafter,
            });
            decoder.Prefill(prompt);
            Decoding.Read(decoder, 61);
            return decoder.Statistics;
        }
        Assert.Equal(new SpeculationStatistics(12, 60, 48, 48), Run(new OracleDrafter(sequence)));
        Assert.Equal(new SpeculationStatistics(60, 60, 240, 0), Run(new HostileDrafter(sequence, s_mini.Configuration.VocabularySize)));
    }

    [Theory]
    [InlineData(DraftKind.None)]
    [InlineData(DraftKind.Mtp)]
    [InlineData(DraftKind.Lookup)]
    public void A_changed_prompt_continues_from_the_common_part_as_a_fresh_run_would(DraftKind kind)
    {
        // The second prompt parts from the first run in its output, the third in its prompt, the fourth far back.
        int[] first = [.. Prompt(0), .. Prompt(1), .. Prompt(2), .. Prompt(3), .. Prompt(4), .. Prompt(5)];
        using TokenDecoder reused = Decoder(new SpeculationOptions(kind, kind == DraftKind.None ? null : 3));
        reused.Prefill(first);
        int[] output = Decoding.Read(reused, 40);
        reused.Stop();
        int[][] prompts = [[.. first, .. output[..17], 5, 6, 7], [.. first[..^9], 99, 98], [.. first[..20], 11, 12, 13, .. first], first];
        foreach (int[] prompt in prompts)
        {
            reused.Prefill(prompt);
            int[] again = Decoding.Read(reused, 30);
            reused.Stop();
            Assert.Equal(Decoding.Greedy(s_mini, prompt, 30), again);
        }
    }

    [Fact]
    public void Penalties_of_a_draft_see_the_drafts_before_it()
    {
        // A presence penalty that no logit survives: no token of the output comes twice, drafts of one run included.
        SamplerOptions sampling = new() { Temperature = 1, PresencePenalty = 1e6 };
        List<int[]> runs = [];
        using TokenDecoder decoder = new(s_mini, new DecoderOptions
        {
            Context = 200,
            Sampler = StandardSampler.Create(sampling, s_mini.Configuration.VocabularySize),
            Speculation = new SpeculationOptions(DraftKind.None, 6),
            CustomDrafter = (model, cache) => new RecordingDrafter(new MtpDrafter(model, cache), runs),
        });
        decoder.Prefill(Prompt(2));
        int[] output = Decoding.Read(decoder, 100);
        Assert.Equal(output.Length, output.Distinct().Count());
        Assert.Contains(runs, run => run.Length == 6);
        Assert.All(runs, run => Assert.Equal(run.Length, run.Distinct().Count()));
    }

    [Fact]
    public void A_stop_inside_a_verified_run_takes_the_rest_back()
    {
        int[] prompt = Prompt(0), sequence = [.. prompt, .. Decoding.Greedy(s_mini, prompt, 60)];
        using TokenDecoder decoder = new(s_mini, new DecoderOptions
        {
            Context = 300,
            Sampler = Decoding.GreedySampler(s_mini),
            Speculation = new SpeculationOptions(DraftKind.None, 5),
            CustomDrafter = (_, _) => new OracleDrafter(sequence),
        });
        decoder.Prefill(prompt);
        Decoding.Read(decoder, 9);
        Assert.True(decoder.Cache.Length > prompt.Length + 9);
        decoder.Stop();
        Assert.Equal(prompt.Length + 9, decoder.Cache.Length);
        Assert.Equal(sequence[..(prompt.Length + 9)], decoder.Tokens.ToArray());
        Assert.Equal(sequence[(prompt.Length + 9)..(prompt.Length + 30)], Decoding.Read(decoder, 21));
    }

    [Fact]
    public void The_context_ends_generation_at_its_last_position()
    {
        foreach (DraftKind kind in (DraftKind[])[DraftKind.None, DraftKind.Mtp, DraftKind.Lookup])
        {
            using TokenDecoder decoder = Decoder(new SpeculationOptions(kind), context: 50);
            int[] prompt = Prompt(0);
            decoder.Prefill(prompt);
            Assert.Equal(50 - prompt.Length, Decoding.Read(decoder, 1000).Length);
        }
    }

    [Fact]
    public void The_same_seed_gives_the_same_tokens_and_another_seed_others()
    {
        SamplerOptions warm = new() { Temperature = 0.9f, TopP = 0.95f };
        int[] Run(ulong seed)
        {
            using TokenDecoder decoder = Decoder(new SpeculationOptions(DraftKind.Auto), warm, seed: seed);
            decoder.Prefill(Prompt(3));
            return Decoding.Read(decoder, 50);
        }
        Assert.Equal(Run(1), Run(1));
        Assert.NotEqual(Run(1), Run(2));
    }

    [Fact]
    public void Log_probabilities_are_those_of_the_logits_with_and_without_drafts()
    {
        float[] Run(SpeculationOptions speculation)
        {
            using TokenDecoder decoder = Decoder(speculation, logProbabilities: true);
            decoder.Prefill(Prompt(2));
            List<float> values = [];
            while (values.Count < 40 && decoder.TryNext(out GeneratedToken token))
                values.Add(token.LogProbability);
            return [.. values];
        }
        float[] plain = Run(SpeculationOptions.Off);
        Assert.All(plain, value => Assert.InRange(value, -20, 0));
        Assert.Equal(plain, Run(new SpeculationOptions(DraftKind.Mtp, 4)));
    }

    [Theory]
    [InlineData(DraftKind.None, 0f)]
    [InlineData(DraftKind.Mtp, 0f)]
    [InlineData(DraftKind.Lookup, 0f)]
    [InlineData(DraftKind.None, 0.8f)]
    [InlineData(DraftKind.Mtp, 0.8f)]
    public void Nothing_is_allocated_per_token(DraftKind kind, float temperature)
    {
        SamplerOptions sampling = new() { Temperature = temperature, TopK = 40, TopP = 0.95f, RepetitionPenalty = 1.1f };
        using TokenDecoder decoder = Decoder(new SpeculationOptions(kind, kind == DraftKind.None ? null : 3), sampling, context: 1000);
        TokenStream stream = TestModels.Get("mini", "simd").Tokenizer.CreateStream();
        byte[] bytes = new byte[stream.MaxBytesPerToken];
        decoder.Prefill(Prompt(1));
        int written = 0;
        void Run(int count)
        {
            for (int i = 0; i < count && decoder.TryNext(out GeneratedToken token); i++)
                written += stream.Append(token.Id, bytes);
        }
        Run(300);
        // A collection or a timer elsewhere in the process may allocate once; a token that allocates does so every time.
        long least = long.MaxValue;
        for (int round = 0; round < 4; round++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            Run(100);
            least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
        }
        Assert.True(written > 0);
        Assert.Equal(0, least);
    }

    [Fact]
    public void Wrong_requests_get_one_sentence()
    {
        using TokenDecoder decoder = Decoder(SpeculationOptions.Off, context: 20);
        Assert.Contains("no tokens", Assert.Throws<InvalidInputException>(() => decoder.Prefill([])).Message, StringComparison.Ordinal);
        Assert.Contains("21 tokens", Assert.Throws<InvalidInputException>(() => decoder.Prefill(new int[21])).Message, StringComparison.Ordinal);
        Assert.Contains("2048", Assert.Throws<InvalidInputException>(() => decoder.Prefill([5000])).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidInputException>(() => Decoder(new SpeculationOptions(DraftKind.Mtp, 99)));
        Assert.Throws<InvalidInputException>(() => Decoder(SpeculationOptions.Off, context: 1 << 20));
    }
}
