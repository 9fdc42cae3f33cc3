using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Cli;

/// <summary>
/// What one token multiplies by: all matrices but the embedding (a look-up, unless it is the head too) and the experts
/// that it does not visit.
/// </summary>
/// <param name="Parameters">The weights.</param>
/// <param name="HeadParameters">Those of the output head among them, which prefill multiplies by for one row only.</param>
/// <param name="Bytes">The bytes of the weights, FP8 scales included.</param>
internal readonly record struct ActiveWeights(long Parameters, long HeadParameters, long Bytes)
{
    /// <summary>The operations of a prefill: two per weight and token, the head for one row.</summary>
    public double PrefillOperations(int tokens) => 2.0 * (Parameters - HeadParameters) * tokens + 2.0 * HeadParameters;

    /// <summary>Counts the weights of a checkpoint; <paramref name="isReference"/>: as the float64 kernels hold them.</summary>
    public static ActiveWeights Of(Checkpoint checkpoint, ModelConfiguration configuration, bool isReference) => Of(
        configuration, isReference,
        tensor =>
        {
            long bytes = checkpoint.Find(tensor.Name).Stored.ByteLength;
            foreach (string suffix in (string[])["_scale", "_scale_inv"])
                if (checkpoint.TryFind(tensor.Name + suffix, out CheckpointTensor? scale))
                    bytes += scale.Stored.ByteLength;
            return bytes;
        });

    /// <summary>Counts the weights of a shape.</summary>
    public static ActiveWeights Of(NamedShape shape, bool isReference) =>
        Of(shape.Configuration, isReference, tensor => ShapeBytes.Of(tensor, shape.Format).Sum(part => part.Bytes));

    private static ActiveWeights Of(ModelConfiguration configuration, bool isReference, Func<ExpectedTensor, long> bytesOf)
    {
        double expertShare = configuration.ExpertCount == 0 ? 0 : (double)configuration.ExpertsPerToken / configuration.ExpertCount;
        double bytes = 0;
        foreach (ExpectedTensor tensor in configuration.TrunkTensors())
        {
            bool isEmbedding = tensor.Name.StartsWith("model.embed", StringComparison.Ordinal);
            if (isEmbedding && !configuration.TieWordEmbeddings)
                continue;
            double share = tensor.Name.Contains(".experts.", StringComparison.Ordinal) ? expertShare : 1;
            bytes += share * (isReference ? tensor.Shape.Count * sizeof(double) : bytesOf(tensor));
        }
        return new ActiveWeights(configuration.ActiveParameterCount, (long)configuration.VocabularySize * configuration.HiddenSize, (long)bytes);
    }
}
