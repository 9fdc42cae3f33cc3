using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>
/// The floating-point operations of training, a multiplication and an addition counted as two: 6 for each token and weight that it
/// multiplies by (2 forward, 4 backward) and, for each pair of a query and a key that it sees, 12 for each element of all query heads.
/// Recomputation, norms and the optimizer are not counted.
/// </summary>
public sealed class TrainingCost
{
    private readonly ModelConfiguration _configuration;
    private readonly bool _withMtp;
    private readonly double _trunkFactor;

    /// <summary>The cost of a shape.</summary>
    /// <param name="configuration">The shape.</param>
    /// <param name="withMtp">Whether its MTP head runs.</param>
    /// <param name="trained">What is trained: a trunk that is not costs its forward pass alone.</param>
    public TrainingCost(ModelConfiguration configuration, bool withMtp, TrainedPart trained = TrainedPart.Whole)
    {
        (_configuration, _withMtp) = (configuration, withMtp);
        _trunkFactor = trained == TrainedPart.Whole ? 1 : 1.0 / 3;
        long head = (long)configuration.VocabularySize * configuration.HiddenSize;
        ActiveParameters = Active(configuration.TrunkTensors()) + (configuration.TieWordEmbeddings ? head : 0);
        MtpActiveParameters = withMtp ? Active(configuration.MtpTensors()) + head : 0;
    }

    /// <summary>The weights of matrices that a token of the trunk multiplies by: experts that it visits, output head, not the embedding.</summary>
    public long ActiveParameters { get; }

    /// <summary>Those of a row of the MTP head, the output head among them; 0 without one.</summary>
    public long MtpActiveParameters { get; }

    /// <summary>The pairs of a query and a key that it sees, summed over the trunk's layers, of a sequence of that many tokens.</summary>
    public long Pairs(int length)
    {
        long pairs = 0;
        foreach (AttentionKind kind in _configuration.LayerTypes)
            pairs += Pairs(kind, length);
        return pairs;
    }

    /// <summary>The operations of a step's forward and backward pass.</summary>
    public double FlopsOf(IEnumerable<TrainingBatch> microBatches)
    {
        double flops = 0;
        Dictionary<int, double> known = [];
        foreach (TrainingBatch batch in microBatches)
        {
            foreach (var (_, _, count) in batch.Segments(shift: 0))
            {
                if (!known.TryGetValue(count, out double one))
                    known.Add(count, one = FlopsOf(count));
                flops += one;
            }
        }
        return flops;
    }

    /// <summary>The operations of the forward and backward pass of a sequence. The MTP head has a row less.</summary>
    public double FlopsOf(int length)
    {
        double perPair = 12.0 * _configuration.QuerySize;
        double flops = _trunkFactor * (6.0 * ActiveParameters * length + perPair * Pairs(length));
        if (_withMtp && length > 1)
            flops += 6.0 * MtpActiveParameters * (length - 1) + perPair * Pairs(_configuration.MtpLayerType, length - 1);
        return flops;
    }

    private long Pairs(AttentionKind kind, long length)
    {
        long window = kind == AttentionKind.Full ? length : Math.Min(length, _configuration.SlidingWindow);
        return window * (window + 1) / 2 + (length - window) * window;
    }

    private long Active(IEnumerable<ExpectedTensor> tensors)
    {
        const string Expert = ".mlp.experts.";
        long count = 0;
        foreach (ExpectedTensor tensor in tensors)
        {
            if (tensor.Shape.Rank < 2 || tensor.Name == "model.embed_tokens.weight")
                continue;
            int at = tensor.Name.IndexOf(Expert, StringComparison.Ordinal);
            if (at < 0)
                count += tensor.Shape.Count;
            else if (int.Parse(tensor.Name.AsSpan(at + Expert.Length).Slice(0, tensor.Name.IndexOf('.', at + Expert.Length) - at - Expert.Length), System.Globalization.CultureInfo.InvariantCulture) < _configuration.ExpertsPerToken)
                count += tensor.Shape.Count;
        }
        return count;
    }
}
