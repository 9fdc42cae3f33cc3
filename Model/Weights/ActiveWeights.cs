namespace Mellum2.Managed.Model;

/// <summary>
/// What one token multiplies by: all weights but the embedding (a look-up, unless it is the head too) and the experts
/// that it does not visit.
/// </summary>
/// <param name="Parameters">The weights.</param>
/// <param name="HeadParameters">Those of the output head among them, which prefill multiplies by for one row only.</param>
/// <param name="Bytes">The bytes of the weights.</param>
public readonly record struct ActiveWeights(long Parameters, long HeadParameters, long Bytes)
{
    /// <summary>The operations of a prefill: two per weight and token, the head for one row.</summary>
    public double PrefillOperations(int tokens) => 2.0 * (Parameters - HeadParameters) * tokens + 2.0 * HeadParameters;

    /// <summary>Counts the weights of a trunk.</summary>
    /// <param name="configuration">The shape.</param>
    /// <param name="bytesOf">The bytes of a tensor as it is held, scales included.</param>
    public static ActiveWeights Of(ModelConfiguration configuration, Func<ExpectedTensor, long> bytesOf)
    {
        double expertShare = configuration.ExpertCount == 0 ? 0 : (double)configuration.ExpertsPerToken / configuration.ExpertCount;
        double bytes = 0;
        foreach (ExpectedTensor tensor in configuration.TrunkTensors())
        {
            bool isEmbedding = tensor.Name.StartsWith("model.embed", StringComparison.Ordinal);
            if (isEmbedding && !configuration.TieWordEmbeddings)
                continue;
            double share = tensor.Name.Contains(".experts.", StringComparison.Ordinal) ? expertShare : 1;
            bytes += share * bytesOf(tensor);
        }
        return new ActiveWeights(configuration.ActiveParameterCount, (long)configuration.VocabularySize * configuration.HiddenSize, (long)bytes);
    }
}
