using Mellum2.Managed.Tests;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class AttentionGoldenTests
{
    [Theory]
    [MemberData(nameof(BackEnds.WithGoldens), "attention", MemberType = typeof(BackEnds))]
    public void Out_and_lse_agree(string backEnd, string name)
    {
        GoldenCase golden = GoldenManifest.Numerics("attention")[name];
        bool decodes = golden.Word("kind") == "decode";
        int cached = decodes ? golden.Integer("cached") : 0, rows = decodes ? golden.Integer("new") : golden.Integer("T");
        // Each document is a sequence with a cache of its own.
        int[] starts = decodes ? [0] : [.. golden.Parameters.GetProperty("doc_starts").EnumerateArray().Select(start => start.GetInt32())];
        foreach (bool one in new[] { false, true })
        {
            List<double> output = [], lse = [];
            for (int i = 0; i < starts.Length; i++)
            {
                var part = Run(BackEnds.Get(backEnd), golden, cached, starts[i], i + 1 < starts.Length ? starts[i + 1] : rows, one);
                output.AddRange(part.Output);
                lse.AddRange(part.LogSumExp);
            }
            golden["out"].Check([.. output]);
            golden["lse"].Check([.. lse]);
        }
    }

    private static (double[] Output, double[] LogSumExp) Run(IForwardKernels kernels, GoldenCase golden, int cached, int begin, int end, bool one)
    {
        int heads = golden.Integer("heads"), kvHeads = golden.Integer("kv_heads"), dimension = golden.Integer("dim");
        int first = begin * kvHeads * dimension, last = (cached + end) * kvHeads * dimension;
        AttentionCase sequence = new(
            heads, kvHeads, dimension, golden.Integer("window"), BFloat16: false, golden["k"].Singles()[first..last], golden["v"].Singles()[first..last]);
        float[] q = golden["q"].Singles()[(begin * heads * dimension)..(end * heads * dimension)];
        return sequence.Run(kernels, q, cached, one ? Enumerable.Repeat(1, end - begin) : [end - begin]);
    }
}
