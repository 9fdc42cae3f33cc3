using Mellum2.Managed.Model;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Gpu.Tests;

/// <summary>The golden checkpoints on the processor and on the devices, and what the tests do with them.</summary>
internal static class DeviceModels
{
    private static readonly Dictionary<(string, string), Mellum> s_loaded = [];

    /// <summary>The golden checkpoints below <c>tests/golden</c>, the small trained one last.</summary>
    public static IEnumerable<string> Folders =>
        Directory.GetDirectories(GoldenFolder.Find("models")).Select(folder => "models/" + Path.GetFileName(folder)).Append("mini");

    /// <summary>The processor, which every machine has, and the devices that real sizes are not too slow for.</summary>
    public static IEnumerable<string> FastNames =>
        TestDevices.Names.Select(device => (string)device[0]).Where(device => !TestDevices.IsEmulator(device)).Prepend("cpu");

    /// <summary>A checkpoint of <see cref="Folders"/>, loaded once: compiling its kernels takes longer than most tests.</summary>
    public static MellumModel Get(string device, string folder)
    {
        lock (s_loaded)
        {
            if (!s_loaded.TryGetValue((device, folder), out Mellum? mellum))
                s_loaded.Add((device, folder), mellum = Mellum.Load(GoldenFolder.Find(folder.Split('/')), new MellumOptions { Device = device }));
            return mellum.Model;
        }
    }

    /// <summary>What the reference implementation computes with that checkpoint.</summary>
    public static GoldenTensors Goldens(string folder) => GoldenTensors.Load([.. folder.Split('/'), "expected.safetensors"]);

    /// <summary>The prompts of a checkpoint that have a greedy continuation, without the long one.</summary>
    public static IEnumerable<string> Prompts(string folder) => Goldens(folder).Names
        .Where(name => name.StartsWith('p') && name.EndsWith(".greedy", StringComparison.Ordinal))
        .Select(name => name[..name.IndexOf('.', StringComparison.Ordinal)]).Order(StringComparer.Ordinal);

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

    /// <summary>Compares by relative L2 error.</summary>
    public static void Near(ReadOnlySpan<float> got, float[] want, double tolerance, string what)
    {
        double error = GoldenTensors.RelativeError(got, want);
        Assert.True(error <= tolerance, $"{what}: relative error {error:G3} is above {tolerance:G3}");
    }
}
