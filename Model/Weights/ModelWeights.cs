using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>The prepared weights of a model, in the layout of one back end.</summary>
public sealed class ModelWeights : IDisposable
{
    /// <summary>The embedding table [vocabulary, hidden]; the same object as <see cref="Head"/> where they are tied.</summary>
    public required WeightMatrix Embedding { get; init; }

    /// <summary>The layers of the trunk.</summary>
    public required LayerWeights[] Layers { get; init; }

    /// <summary>Norm after the last layer [hidden].</summary>
    public required Tensor FinalNorm { get; init; }

    /// <summary>The output head [vocabulary, hidden].</summary>
    public required WeightMatrix Head { get; init; }

    /// <summary>The MTP head, where the checkpoint has one.</summary>
    public required MtpWeights? Mtp { get; init; }

    /// <summary>The bytes of all matrices.</summary>
    public long ByteLength
    {
        get
        {
            long bytes = Embedding.ByteLength + (ReferenceEquals(Embedding, Head) ? 0 : Head.ByteLength);
            foreach (LayerWeights layer in Layers)
                bytes += layer.Matrices().Sum(matrix => matrix.ByteLength);
            if (Mtp is not null)
                bytes += Mtp.Projection.ByteLength + Mtp.Layer.Matrices().Sum(matrix => matrix.ByteLength);
            return bytes;
        }
    }

    /// <summary>The bytes of all norms.</summary>
    public long NormByteLength
    {
        get
        {
            IEnumerable<Tensor> norms = Layers.SelectMany(layer => layer.Norms()).Append(FinalNorm);
            if (Mtp is not null)
                norms = [.. norms, Mtp.EmbeddingNorm, Mtp.StateNorm, Mtp.FinalNorm, .. Mtp.Layer.Norms()];
            return norms.Sum(norm => norm.CapacityBytes);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Embedding.Dispose();
        Head.Dispose();
        FinalNorm.Dispose();
        Mtp?.Dispose();
        foreach (LayerWeights layer in Layers)
            layer.Dispose();
    }
}
