using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

/// <summary>What the activations of a pass need, as an upper bound that is computed without running one.</summary>
public static class ActivationPlan
{
    /// <summary>The most bytes that a workspace holds after passes of float32 activations of up to that many rows.</summary>
    /// <param name="configuration">The model.</param>
    /// <param name="rows">The tokens of the largest pass.</param>
    /// <param name="logitRows">The rows whose logits are made at once.</param>
    /// <param name="withMtp">Whether the MTP head runs too.</param>
    public static long Bytes(ModelConfiguration configuration, int rows, int logitRows, bool withMtp)
    {
        long hidden = configuration.HiddenSize, queries = configuration.QuerySize, keys = configuration.KeyValueSize;
        long pairs = (long)rows * configuration.ExpertsPerToken;
        // Names of what lives at once: the stream and its norm, sums and outputs; projections, normed and rotated; the MLP.
        long attention = rows * (7 * hidden + 4 * queries + 6 * keys + 2L * configuration.HeadSize);
        long experts = rows * 2L * configuration.ExpertCount + pairs * (3L * configuration.ExpertSize + hidden + 5) + configuration.ExpertCount + 1;
        long dense = rows * 3L * configuration.IntermediateSize;
        long logits = (long)logitRows * (configuration.VocabularySize + 2 * hidden);
        long mtp = withMtp ? rows * 8 * hidden : 0;
        bool hasDense = configuration.MlpLayerTypes.Contains(MlpKind.Dense) || (withMtp && configuration.MtpMlpLayerType == MlpKind.Dense);
        // The workspace rounds each size up by at most a quarter.
        return (attention + experts + (hasDense ? dense : 0) + logits + mtp + 64 * 32) * sizeof(float) * 5 / 4;
    }
}
