using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>The prepared weights of the multi-token prediction head; embedding and output head are the trunk's.</summary>
public sealed class MtpWeights : IDisposable
{
    /// <summary>The projection of [embedding; state], [hidden, 2 · hidden].</summary>
    public required WeightMatrix Projection { get; init; }

    /// <summary>Norm of the embedding [hidden].</summary>
    public required Tensor EmbeddingNorm { get; init; }

    /// <summary>Norm of the trunk's state [hidden].</summary>
    public required Tensor StateNorm { get; init; }

    /// <summary>The one layer.</summary>
    public required LayerWeights Layer { get; init; }

    /// <summary>Norm after the layer [hidden].</summary>
    public required Tensor FinalNorm { get; init; }

    /// <inheritdoc/>
    public void Dispose()
    {
        Projection.Dispose();
        EmbeddingNorm.Dispose();
        StateNorm.Dispose();
        Layer.Dispose();
        FinalNorm.Dispose();
    }
}
