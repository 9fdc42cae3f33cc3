using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model.Tests;

/// <summary>Short ways to generate tokens in tests.</summary>
internal static class Decoding
{
    public static ISampler GreedySampler(MellumModel model) =>
        StandardSampler.Create(SamplerOptions.Greedy, model.Configuration.VocabularySize);

    public static int[] Greedy(
        MellumModel model,
        int[] prompt,
        int count,
        int chunk = 512,
        SpeculationOptions? speculation = null,
        Func<MellumModel, KvCache, IDrafter>? drafter = null)
    {
        using TokenDecoder decoder = new(model, new DecoderOptions
        {
            Context = Math.Min(prompt.Length + count, model.Configuration.MaximumPositions),
            Chunk = chunk,
            Sampler = GreedySampler(model),
            Speculation = speculation ?? SpeculationOptions.Off,
            CustomDrafter = drafter,
        });
        decoder.Prefill(prompt);
        return Read(decoder, count);
    }

    public static int[] Read(TokenDecoder decoder, int count)
    {
        List<int> tokens = [];
        while (tokens.Count < count && decoder.TryNext(out GeneratedToken token))
            tokens.Add(token.Id);
        return [.. tokens];
    }

    /// <summary>What the MTP head drafts after the prompt and its first greedy token.</summary>
    public static int[] FirstDrafts(MellumModel model, int[] prompt, int count)
    {
        List<int[]> runs = [];
        using TokenDecoder decoder = new(model, new DecoderOptions
        {
            Context = prompt.Length + count + 2,
            Sampler = GreedySampler(model),
            Speculation = new SpeculationOptions(DraftKind.None, count),
            CustomDrafter = (m, cache) => new RecordingDrafter(new MtpDrafter(m, cache), runs),
        });
        decoder.Prefill(prompt);
        Read(decoder, 2);
        return runs[0];
    }
}
