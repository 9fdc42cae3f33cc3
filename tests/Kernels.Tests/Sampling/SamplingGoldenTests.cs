using Mellum2.Managed.Tests;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

/// <summary>The sampler and the speculative acceptance rule against the numeric goldens.</summary>
public class SamplingGoldenTests
{
    /// <summary>The cases that have an expected tensor.</summary>
    private static IEnumerable<object[]> WithExpected(string topic, string tensor) =>
        GoldenManifest.Numerics(topic).Cases.Where(golden => golden.Has(tensor)).Select(golden => new object[] { golden.Name });

    public static IEnumerable<object[]> SamplingCases() => WithExpected("sampling", "probs");

    public static IEnumerable<object[]> RowCases() => WithExpected("speculative", "residual");

    public static IEnumerable<object[]> ChainCases() => WithExpected("speculative", "next");

    private static int[] Tokens(GoldenCase golden, string name) => [.. golden.Parameters.GetProperty(name).EnumerateArray().Select(token => token.GetInt32())];

    [Theory]
    [MemberData(nameof(SamplingCases))]
    public void Distribution(string name)
    {
        GoldenManifest manifest = GoldenManifest.Numerics("sampling");
        GoldenCase golden = manifest[name];
        float[] logits = golden["logits"].Singles();
        SamplerOptions options = new()
        {
            RepetitionPenalty = golden.Number("repetition_penalty"),
            FrequencyPenalty = golden.Number("frequency_penalty"),
            PresencePenalty = golden.Number("presence_penalty"),
            Temperature = golden.Number("temperature"),
            TopK = golden.Integer("top_k"),
            TopP = golden.Number("top_p"),
            MinP = golden.Number("min_p"),
        };
        options.Validate();
        TokenHistory history = new(logits.Length, 4096);
        string use = golden.Word("penalties_use")!;
        if (use == "prompt and output")
        {
            history.Reset(Tokens(manifest["inputs"], "prompt"));
            foreach (int token in Tokens(manifest["inputs"], "output")) history.Push(token);
        }
        else
        {
            Assert.Equal("empty history", use);
        }
        SamplerDistribution distribution = new(logits.Length);
        distribution.Compute(logits, options, history);
        float[] probabilities = new float[logits.Length];
        distribution.CopyTo(probabilities);
        golden["probs"].Check(probabilities);
        // Masked tokens are never kept; a kept one may have a probability that rounds to 0.
        Assert.Equal(golden.Integer("kept"), distribution.Ids.ToArray().Count(token => !float.IsNegativeInfinity(logits[token])));
    }

    [Theory]
    [MemberData(nameof(RowCases))]
    public void Acceptance_and_residual(string name)
    {
        GoldenCase golden = GoldenManifest.Numerics("speculative")[name];
        float[] p = golden["p"].Singles(), q = golden["q"].Singles(), residual = new float[p.Length];
        golden["accept"].Check([.. p.Zip(q, (a, b) => Speculative.Acceptance(a, b))]);
        golden["alpha"].Check([Speculative.AcceptanceRate(p, q)]);
        Speculative.Residual(p, q, residual);
        golden["residual"].Check(residual);
    }

    [Theory]
    [MemberData(nameof(ChainCases))]
    public void Chain(string name)
    {
        GoldenCase golden = GoldenManifest.Numerics("speculative")[name];
        float[] next = new float[golden["next"].Shape[0]];
        int accepted = Speculative.Verify(golden["p"].Singles(), golden["q"].Singles(), golden["draft"].Integers(), golden["u"].Doubles(), next);
        Assert.Equal(golden.Integer("accepted"), accepted);
        golden["next"].Check(next);
    }
}
