using System.Globalization;
using System.Runtime.InteropServices;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Cli.Tests;

/// <summary>What <c>trace</c> writes is what the reference implementation computes.</summary>
public sealed class TraceGoldenTests
{
    // The bound that the goldens' description states for states and logits.
    private const double Tolerance = 2e-5;

    public static IEnumerable<object[]> Models() =>
        Directory.GetDirectories(GoldenFolder.Find("models")).Select(folder => new object[] { Path.GetFileName(folder) });

    [Theory]
    [MemberData(nameof(Models))]
    public void Every_tensor_agrees(string name)
    {
        string model = GoldenFolder.Find("models", name);
        GoldenTensors expected = GoldenTensors.Load("models", name, "expected.safetensors");
        using TemporaryFolder folder = new();
        string path = Path.Combine(folder.Path, "trace.safetensors");
        foreach (string ids in expected.Names.Where(key => key.StartsWith('p') && key.EndsWith(".ids", StringComparison.Ordinal)))
        {
            string prompt = ids[..^".ids".Length];
            string list = string.Join(',', expected.Integers(ids).Select(id => id.ToString(CultureInfo.InvariantCulture)));
            CommandRun.Of("trace", "--model", model, "--prompt-ids", list, "--output", path).Succeeded();
            Compare(GoldenTensors.Load(path), expected, prompt);
        }
    }

    [Fact]
    public void Attention_is_what_the_heads_are_made_of()
    {
        using Mellum mellum = Mellum.Load(Mellum.DefaultFolder, new MellumOptions { Reference = true });
        ModelConfiguration configuration = mellum.Model.Configuration;
        // Longer than the window, so that sliding layers forget.
        int[] ids = [.. Enumerable.Range(0, configuration.SlidingWindow + 30).Select(i => 35 + i * 7 % 900)];
        HeadTap tap = new();
        mellum.Model.Context.Tap = tap;
        using KvCache cache = new(new CachePlan(configuration, mellum.Model.CacheFormat, ids.Length, ids.Length, WithMtp: false));
        ForwardBatch batch = new();
        batch.Add(cache, 0, ids);
        mellum.Model.Context.Workspace.Release(mellum.Model.Trunk(batch, wantBeforeNorm: false, out _));
        int size = configuration.HeadSize, heads = configuration.HeadCount, keyHeads = configuration.KeyValueHeadCount;
        for (int layer = 0; layer < configuration.LayerCount; layer++)
        {
            AttentionProbabilities attention = new(
                configuration, configuration.LayerTypes[layer], mellum.Model.CacheFormat, tap.Queries[layer], tap.Keys[layer], ids.Length);
            for (int head = 0; head < heads; head++)
            {
                int row = ids.Length - 1;
                ReadOnlySpan<double> probabilities = attention.Row(head, row);
                for (int d = 0; d < size; d++)
                {
                    double sum = 0;
                    for (int j = 0; j < ids.Length; j++)
                        sum += probabilities[j] * tap.Values[layer][(j * keyHeads + head / (heads / keyHeads)) * size + d];
                    Assert.Equal(tap.HeadOutputs[layer][(row * heads + head) * size + d], sum, 1e-9);
                }
            }
        }
    }

    [Fact]
    public void Attention_rows_are_probabilities_of_what_came_before()
    {
        using TemporaryFolder folder = new();
        string path = Path.Combine(folder.Path, "trace.safetensors");
        CommandRun.Of("trace", "--prompt", "public static int Add(int a, int b)", "--attention", "0,3,4", "--output", path).Succeeded();
        GoldenTensors trace = GoldenTensors.Load(path);
        foreach (string name in (string[])["layers.0.attention", "layers.3.attention", "mtp.attention"])
        {
            int[] shape = trace.Shape(name);
            double[] values = Values(trace, name);
            for (int row = 0; row < shape[0] * shape[1]; row++)
            {
                ReadOnlySpan<double> own = values.AsSpan(row * shape[2], shape[2]);
                double sum = 0;
                foreach (double value in own)
                    sum += value;
                Assert.Equal(1, sum, 1e-5);
                Assert.True(own[(row % shape[1] + 1)..].IndexOfAnyExcept(0.0) < 0, name);
            }
        }
    }

    private static void Compare(GoldenTensors trace, GoldenTensors expected, string prompt)
    {
        int[] layers = expected.Shape(prompt + ".layers");
        float[] streams = expected.Singles(prompt + ".layers");
        int width = layers[1] * layers[2];
        for (int layer = 0; layer < layers[0]; layer++)
        {
            Close(Values(trace, $"layers.{layer}.residual"), streams.AsSpan(layer * width, width), $"{prompt} layer {layer}");
            string router = $"{prompt}.router{layer}";
            if (!expected.Has(router + ".probs"))
                continue;
            Close(Values(trace, $"layers.{layer}.router.probabilities"), expected.Singles(router + ".probs"), router);
            Close(Values(trace, $"layers.{layer}.router.weights"), expected.Singles(router + ".weights"), router);
            Assert.Equal(expected.Integers(router + ".experts"), trace.Integers($"layers.{layer}.router.experts"));
        }
        Close(Values(trace, "states"), expected.Singles(prompt + ".normed"), prompt + " states");
        Close(Values(trace, "logits"), expected.Singles(prompt + ".logits"), prompt + " logits");
        Assert.Equal(expected.Has(prompt + ".mtp_logits"), trace.Has("mtp.logits"));
        if (expected.Has(prompt + ".mtp_logits"))
            Close(Values(trace, "mtp.logits"), expected.Singles(prompt + ".mtp_logits"), prompt + " MTP logits");
    }

    private static void Close(double[] got, ReadOnlySpan<float> want, string what)
    {
        double error = GoldenTensors.RelativeError([.. got.Select(value => (float)value)], want);
        Assert.True(error <= Tolerance, $"{what}: relative error {error:G3} is above {Tolerance:G3}");
    }

    private static double[] Values(GoldenTensors trace, string name)
    {
        (string type, _, ReadOnlyMemory<byte> data) = trace.Raw(name);
        return type == "F64"
            ? MemoryMarshal.Cast<byte, double>(data.Span).ToArray()
            : [.. MemoryMarshal.Cast<byte, float>(data.Span).ToArray().Select(value => (double)value)];
    }

    private sealed class HeadTap : ForwardTap
    {
        public Dictionary<int, double[]> Queries { get; } = [];

        public Dictionary<int, double[]> Keys { get; } = [];

        public Dictionary<int, double[]> Values { get; } = [];

        public Dictionary<int, double[]> HeadOutputs { get; } = [];

        public override void QueriesKeysValues(int layer, Tensor queries, Tensor keys, Tensor values) =>
            (Queries[layer], Keys[layer], Values[layer]) =
                (queries.Span<double>().ToArray(), keys.Span<double>().ToArray(), values.Span<double>().ToArray());

        public override void Heads(int layer, Tensor heads) => HeadOutputs[layer] = heads.Span<double>().ToArray();
    }
}
