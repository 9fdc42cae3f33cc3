using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

public sealed partial record ModelConfiguration
{
    private static readonly Dictionary<string, ModelConfiguration> s_named = new(StringComparer.Ordinal)
    {
        ["mini"] = new ModelConfiguration
        {
            VocabularySize = 2048,
            HiddenSize = 128,
            LayerTypes = [AttentionKind.Sliding, AttentionKind.Sliding, AttentionKind.Sliding, AttentionKind.Full],
            MlpLayerTypes = [MlpKind.Sparse, MlpKind.Sparse, MlpKind.Sparse, MlpKind.Sparse],
            HeadCount = 8,
            KeyValueHeadCount = 2,
            HeadSize = 32,
            IntermediateSize = 256,
            ExpertSize = 32,
            ExpertCount = 16,
            ExpertsPerToken = 4,
            NormalizeExpertWeights = true,
            RmsNormEpsilon = 1e-6,
            TieWordEmbeddings = false,
            SlidingWindow = 64,
            SlidingRope = new RopeConfiguration(500_000),
            FullRope = new RopeConfiguration(500_000, new YarnConfiguration(16, 128, 32, 1, 1.2772588722239782)),
            MaximumPositions = 2048,
            MtpLayerCount = 1,
            BosTokenId = 0,
            EosTokenIds = [0],
        },
        ["small-moe"] = new ModelConfiguration
        {
            VocabularySize = 8192,
            HiddenSize = 512,
            LayerTypes = [.. Enumerable.Range(0, 8).Select(l => l % 4 == 3 ? AttentionKind.Full : AttentionKind.Sliding)],
            MlpLayerTypes = [.. Enumerable.Repeat(MlpKind.Sparse, 8)],
            HeadCount = 8,
            KeyValueHeadCount = 2,
            HeadSize = 64,
            IntermediateSize = 1024,
            ExpertSize = 256,
            ExpertCount = 32,
            ExpertsPerToken = 4,
            NormalizeExpertWeights = true,
            RmsNormEpsilon = 1e-6,
            TieWordEmbeddings = false,
            SlidingWindow = 256,
            SlidingRope = new RopeConfiguration(500_000),
            FullRope = new RopeConfiguration(500_000),
            MaximumPositions = 512,
            BosTokenId = 0,
            EosTokenIds = [0],
        },
        ["mellum2-12b"] = new ModelConfiguration
        {
            VocabularySize = 98304,
            HiddenSize = 2304,
            LayerTypes = [.. Enumerable.Range(0, 28).Select(l => l % 4 == 3 ? AttentionKind.Full : AttentionKind.Sliding)],
            MlpLayerTypes = [.. Enumerable.Repeat(MlpKind.Sparse, 28)],
            HeadCount = 32,
            KeyValueHeadCount = 4,
            HeadSize = 128,
            IntermediateSize = 7168,
            ExpertSize = 896,
            ExpertCount = 64,
            ExpertsPerToken = 8,
            NormalizeExpertWeights = true,
            RmsNormEpsilon = 1e-6,
            TieWordEmbeddings = false,
            SlidingWindow = 1024,
            SlidingRope = new RopeConfiguration(500_000),
            FullRope = new RopeConfiguration(500_000, new YarnConfiguration(16, 8192, 32, 1, 1.2772588722239782)),
            MaximumPositions = 131072,
            BosTokenId = 0,
            EosTokenIds = [0],
            StoredType = DType.BF16,
        },
    };

    /// <summary>The names that <see cref="Named"/> knows, the smallest shape first.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. s_named.Keys];

    /// <summary>
    /// A shape by its name: <c>mellum2-12b</c> is the released one; <c>mini</c> has two million parameters and an MTP head, and trains
    /// on a laptop; <c>small-moe</c> has 114 million parameters, no MTP head and no YaRN, and is what training is measured with.
    /// </summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <exception cref="InvalidInputException">There is no such name.</exception>
    public static ModelConfiguration Named(string name) => s_named.TryGetValue(name, out ModelConfiguration? shape)
        ? shape
        : throw new InvalidInputException($"There is no model shape named \"{name}\"; {string.Join(", ", Names)} are known.");
}
