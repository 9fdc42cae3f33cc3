using Mellum2.Managed.Tests;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class AttentionGoldenTests
{
    /// <summary>
    /// All cases but those with several documents in one sequence: documents are packed together in training only, the
    /// forward contract has one sequence for each cache.
    /// </summary>
    public static IEnumerable<object[]> OneDocument =>
        from pair in BackEnds.WithGoldens("attention")
        let golden = GoldenManifest.Numerics("attention")[(string)pair[1]]
        where !golden.Parameters.TryGetProperty("doc_starts", out var starts) || starts.GetArrayLength() == 1
        select pair;

    [Theory]
    [MemberData(nameof(OneDocument))]
    public void Out_and_lse_agree(string backEnd, string name)
    {
        GoldenCase golden = GoldenManifest.Numerics("attention")[name];
        int heads = golden.Integer("heads"), dimension = golden.Integer("dim");
        bool decodes = golden.Word("kind") == "decode";
        int cached = decodes ? golden.Integer("cached") : 0, rows = decodes ? golden.Integer("new") : golden.Integer("T");
        AttentionCase sequence = new(
            heads, golden.Integer("kv_heads"), dimension, golden.Integer("window"), BFloat16: false, golden["k"].Singles(), golden["v"].Singles());
        float[] q = golden["q"].Singles()[..(rows * heads * dimension)];
        foreach (IEnumerable<int> steps in new[] { [rows], Enumerable.Repeat(1, rows) })
        {
            (double[] output, double[] lse) = sequence.Run(BackEnds.Get(backEnd), q, cached, steps);
            golden["out"].Check(output);
            golden["lse"].Check(lse);
        }
    }
}
