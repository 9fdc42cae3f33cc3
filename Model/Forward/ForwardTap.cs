using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

/// <summary>
/// A researcher's hook into the forward pass: each method sees a tensor at one place and may change what is in it.
/// A model without a tap pays one comparison with null at each place. Tensors are [rows, …] in the activation type
/// of the kernels (F32; F64 on the reference kernels) and are valid during the call only. The trunk's layers are
/// 0 … L − 1; the MTP layer is L.
/// </summary>
public abstract class ForwardTap
{
    /// <summary>The residual stream after <paramref name="layer"/> [T, hidden]; −1 is the embedding.</summary>
    public virtual void Residual(int layer, Tensor stream) { }

    /// <summary>Queries and keys after norm and rotation, and values, before the cache is written: [T, heads · head_dim].</summary>
    public virtual void QueriesKeysValues(int layer, Tensor queries, Tensor keys, Tensor values) { }

    /// <summary>
    /// The output of every query head before the output projection [T, heads · head_dim]. Zeros switch a head off.
    /// </summary>
    public virtual void Heads(int layer, Tensor heads) { }

    /// <summary>The router's logits [T, experts], before the choice. Minus infinity switches an expert off.</summary>
    public virtual void RouterLogits(int layer, Tensor logits) { }

    /// <summary>The router's choice: probabilities [T, experts], experts I32 [T, k], their weights [T, k].</summary>
    public virtual void Routed(int layer, Tensor probabilities, Tensor experts, Tensor weights) { }

    /// <summary>The states after the final norm [T, hidden].</summary>
    public virtual void Normed(Tensor states) { }

    /// <summary>The logits of the rows that the head was computed for [rows, vocabulary].</summary>
    public virtual void Logits(Tensor logits) { }
}
