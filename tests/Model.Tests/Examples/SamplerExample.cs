using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model.Tests.Examples;

internal static class SamplerExample
{
    public static GenerationResult Run(string folder)
    {
        // <example name="sampler">
        using Mellum mellum = Mellum.Load(folder);
        GenerationOptions options = new()
        {
            MaxTokens = 32,
            CustomSampler = new TwoBest(),
            Speculation = new(DraftKind.Mtp, 2), // stays exact: it only asks for distributions
        };
        var (_, result) = mellum.Generate("using System", options);
        // </example>
        return result;
    }

    public static int Head(string folder)
    {
        // <example name="head">
        using Mellum mellum = Mellum.Load(folder);
        OutputHead standard = mellum.Model.OutputHead;
        mellum.Tokenizer.TryGetId("using", out int banned);
        mellum.Model.OutputHead = (context, states, logits) =>
        {
            standard(context, states, logits);
            for (int row = 0; row < logits.Rows; row++)
                logits.Span<float>()[row * logits.Columns + banned] = float.NegativeInfinity;
        };
        var (_, result) = mellum.Generate("using System;\n", new() { MaxTokens = 32 });
        // </example>
        return result.Tokens.Count(token => token.Id == banned);
    }

    // <example name="sampler-class">
    /// <summary>One of the two most probable tokens, with equal odds.</summary>
    private sealed class TwoBest : ISampler
    {
        public bool IsGreedy => false;

        public void Distribution(ReadOnlySpan<float> logits, TokenHistory history, Span<float> probabilities)
        {
            int best = logits[0] >= logits[1] ? 0 : 1, second = 1 - best;
            for (int id = 2; id < logits.Length; id++)
            {
                if (logits[id] > logits[best])
                    (best, second) = (id, best);
                else if (logits[id] > logits[second])
                    second = id;
            }
            probabilities.Clear();
            probabilities[best] = probabilities[second] = 0.5f;
        }

        public int Choose(ReadOnlySpan<float> logits, TokenHistory history) => throw new NotSupportedException("Not greedy.");
    }
    // </example>
}
