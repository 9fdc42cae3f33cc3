using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>The prepared weights of one decoder layer.</summary>
public sealed class LayerWeights : IDisposable
{
    /// <summary>Norm before attention [hidden].</summary>
    public required Tensor InputNorm { get; init; }

    /// <summary>Query projection [heads · head_dim, hidden].</summary>
    public required WeightMatrix Query { get; init; }

    /// <summary>Key projection [KV heads · head_dim, hidden].</summary>
    public required WeightMatrix Key { get; init; }

    /// <summary>Value projection [KV heads · head_dim, hidden].</summary>
    public required WeightMatrix Value { get; init; }

    /// <summary>Output projection [hidden, heads · head_dim].</summary>
    public required WeightMatrix Output { get; init; }

    /// <summary>Norm of every query head [head_dim].</summary>
    public required Tensor QueryNorm { get; init; }

    /// <summary>Norm of every key head [head_dim].</summary>
    public required Tensor KeyNorm { get; init; }

    /// <summary>Norm before the MLP [hidden].</summary>
    public required Tensor PostAttentionNorm { get; init; }

    /// <summary>The router [experts, hidden]; null in a layer with one dense MLP.</summary>
    public required WeightMatrix? Router { get; init; }

    /// <summary>
    /// What is added to the router's probabilities for the choice of experts alone [experts], in the activation type; null for
    /// none, as in every released checkpoint, whose layout has no place for it. Its owner disposes of it.
    /// </summary>
    public Tensor? RouterBias { get; set; }

    /// <summary>Gate and up stacked, [2 · intermediate, hidden], one for each expert (one in a dense layer).</summary>
    public required WeightMatrix[] GateUp { get; init; }

    /// <summary>Down [hidden, intermediate], one for each expert (one in a dense layer).</summary>
    public required WeightMatrix[] Down { get; init; }

    /// <summary>All matrices.</summary>
    public IEnumerable<WeightMatrix> Matrices()
    {
        yield return Query;
        yield return Key;
        yield return Value;
        yield return Output;
        if (Router is not null)
            yield return Router;
        foreach (WeightMatrix matrix in GateUp)
            yield return matrix;
        foreach (WeightMatrix matrix in Down)
            yield return matrix;
    }

    /// <summary>All norms.</summary>
    public IEnumerable<Tensor> Norms() => [InputNorm, QueryNorm, KeyNorm, PostAttentionNorm];

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (WeightMatrix matrix in Matrices())
            matrix.Dispose();
        foreach (Tensor norm in Norms())
            norm.Dispose();
    }
}
