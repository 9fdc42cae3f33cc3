using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Gpu.Tests;

internal static partial class DeviceModels
{
    /// <summary>Greedy tokens after a prompt.</summary>
    public static int[] Generate(MellumModel model, int[] prompt, int count, SpeculationOptions speculation, int chunk = 512)
    {
        using TokenDecoder decoder = new(model, new DecoderOptions
        {
            Context = Math.Min(prompt.Length + count, model.Configuration.MaximumPositions),
            Chunk = chunk,
            Sampler = StandardSampler.Create(SamplerOptions.Greedy, model.Configuration.VocabularySize),
            Speculation = speculation,
        });
        decoder.Prefill(prompt);
        List<int> tokens = [];
        while (tokens.Count < count && decoder.TryNext(out GeneratedToken token))
            tokens.Add(token.Id);
        return [.. tokens];
    }

    /// <summary>Runs the trunk over prompts that stand together in every pass, each pass with the given rows of each; all logits.</summary>
    /// <param name="model">The model.</param>
    /// <param name="prompts">The prompts; each has a cache of its own.</param>
    /// <param name="passes">For each pass the rows that each prompt has in it; together the prompts' lengths.</param>
    /// <param name="chunk">The most rows of one prompt in a pass that the caches are made for.</param>
    /// <returns>For each prompt its logits [rows · vocabulary].</returns>
    public static float[][] Logits(MellumModel model, int[][] prompts, IEnumerable<int[]> passes, int chunk)
    {
        int vocabulary = model.Configuration.VocabularySize;
        KvCache[] caches = [.. prompts.Select(prompt => model.CreateCache(prompt.Length + 1, chunk))];
        float[][] results = [.. prompts.Select(prompt => new float[prompt.Length * vocabulary])];
        int[] done = new int[prompts.Length];
        ForwardBatch batch = new();
        foreach (int[] rows in passes)
        {
            batch.Clear();
            for (int i = 0; i < prompts.Length; i++)
                if (rows[i] > 0)
                    batch.Add(caches[i], done[i], prompts[i].AsSpan(done[i], rows[i]));
            Tensor states = model.Trunk(batch, wantBeforeNorm: false, out _);
            Tensor logits = model.Logits(states, 0, batch.Count);
            long first = 0;
            for (int i = 0; i < prompts.Length; i++)
            {
                logits.Read(results[i].AsSpan(done[i] * vocabulary, rows[i] * vocabulary), first);
                first += rows[i] * (long)vocabulary;
                done[i] += rows[i];
            }
            model.Context.Workspace.Release(logits);
            model.Context.Workspace.Release(states);
        }
        foreach (KvCache cache in caches)
            cache.Dispose();
        return results;
    }

    /// <summary>Passes at random, each with up to <paramref name="most"/> rows of each prompt, until all are done.</summary>
    public static IEnumerable<int[]> Split(int[][] prompts, int most, Random random)
    {
        int[] left = [.. prompts.Select(prompt => prompt.Length)];
        while (left.Any(rows => rows > 0))
        {
            int[] pass = [.. left.Select(rows => random.Next(0, Math.Min(rows, most) + 1))];
            if (pass.All(rows => rows == 0))
                continue;
            for (int i = 0; i < left.Length; i++)
                left[i] -= pass[i];
            yield return pass;
        }
    }
}
