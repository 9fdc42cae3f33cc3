using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Bench;

/// <summary>Tokens per second of the small trained checkpoint, plain and with its MTP head drafting.</summary>
internal static class SpeculationBench
{
    private static readonly string[] s_prompts =
    [
        "using System;\nusing System.Collections.Generic;\n\nnamespace ",
        "    public static int Add(int a, int b)\n    {\n        return ",
        "        if (value == null)\n        {\n            throw new ",
    ];

    /// <summary><c>--tokens n --rounds n --threads n --model FOLDER</c> are understood.</summary>
    public static void Run(string[] args)
    {
        int tokens = GemmBench.Option(args, "--tokens", 300), rounds = GemmBench.Option(args, "--rounds", 9);
        int at = Array.IndexOf(args, "--model");
        using Mellum mellum = Mellum.Load(
            at < 0 ? Mellum.DefaultFolder : args[at + 1], new MellumOptions { Threads = GemmBench.Option(args, "--threads", 0) });
        int[][] prompts = [.. s_prompts.Select(prompt => mellum.Tokenizer.Encode(prompt, EncodeOptions.Prompt))];
        foreach ((string name, SamplerOptions sampling) in ((string, SamplerOptions)[])
            [("greedy", SamplerOptions.Greedy), ("temperature 0.6, top-p 0.95, top-k 20", new SamplerOptions { Temperature = 0.6, TopP = 0.95, TopK = 20 })])
        {
            List<(string Name, TokenDecoder Decoder)> decoders = [("plain", Decoder(mellum, sampling, tokens, SpeculationOptions.Off))];
            for (int k = 1; k <= 5; k++)
                decoders.Add(($"K = {k}", Decoder(mellum, sampling, tokens, new SpeculationOptions(DraftKind.Mtp, k))));
            decoders.Add(("adaptive", Decoder(mellum, sampling, tokens, new SpeculationOptions(DraftKind.Mtp))));
            decoders.Add(("look-up, adaptive", Decoder(mellum, sampling, tokens, new SpeculationOptions(DraftKind.Lookup))));
            Timing[] t = Harness.Measure(rounds, 0.2, 0, [.. decoders.Select(d => new Rival(d.Name, () => Generate(d.Decoder, prompts, tokens)))]);
            ResultTable table = new(
                $"The small checkpoint, {name}, {prompts.Length} prompts of {tokens} tokens, {mellum.Model.Context.Kernels.Description}",
                "drafts", "tokens/s", "against plain", "acceptance", "tokens a pass");
            for (int i = 0; i < t.Length; i++)
            {
                SpeculationStatistics statistics = decoders[i].Decoder.Statistics;
                table.Add(
                    t[i].Name, prompts.Length * tokens / t[i].Median, t[0].Median / t[i].Median, statistics.Acceptance, statistics.TokensPerPass);
                decoders[i].Decoder.Dispose();
            }
            table.Print(args);
        }
    }

    private static TokenDecoder Decoder(Mellum mellum, SamplerOptions sampling, int tokens, SpeculationOptions speculation) =>
        new(mellum.Model, new DecoderOptions
        {
            Context = tokens + 64,
            Sampler = StandardSampler.Create(sampling, mellum.Model.Configuration.VocabularySize),
            Speculation = speculation,
        });

    private static void Generate(TokenDecoder decoder, int[][] prompts, int tokens)
    {
        foreach (int[] prompt in prompts)
        {
            decoder.Prefill(prompt);
            for (int i = 0; i < tokens; i++)
                decoder.TryNext(out _);
            decoder.Stop();
        }
    }
}
