using System.Globalization;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

/// <summary>A tensor that a checkpoint must have.</summary>
/// <param name="Name">Its name in the file.</param>
/// <param name="Shape">[out, in], or [n] for the weights of a norm.</param>
public readonly record struct ExpectedTensor(string Name, Shape Shape);

public sealed partial record ModelConfiguration
{
    /// <summary>The name of the embedding table, which also is the output head where they are tied.</summary>
    public const string EmbeddingName = "model.embed_tokens.weight";

    /// <summary>The name of an output head that is not tied to the embedding.</summary>
    public const string HeadName = "lm_head.weight";

    /// <summary>The prefix of the MTP head's one layer.</summary>
    public const string MtpLayerPrefix = "mtp.layers.0.";

    /// <summary>The prefix of the tensors of layer <paramref name="layer"/> of the trunk.</summary>
    public static string LayerPrefix(int layer) => string.Create(CultureInfo.InvariantCulture, $"model.layers.{layer}.");

    /// <summary>Whether this is the name of a router's matrix: the one product that no precision narrows.</summary>
    public static bool IsRouter(string name) => name.EndsWith("mlp.gate.weight", StringComparison.Ordinal);

    /// <summary>Whether this is the name of a tensor of the MTP head.</summary>
    public static bool IsMtp(string name) => name.StartsWith("mtp.", StringComparison.Ordinal);

    /// <summary>The parameters of the trunk, embedding and output head; a tied head counts once.</summary>
    public long ParameterCount => Count(TrunkTensors());

    /// <summary>The parameters of an MTP head of this shape.</summary>
    public long MtpParameterCount => Count(MtpTensors());

    /// <summary>
    /// The trunk's parameters that one token multiplies by: all but the embedding (a row look-up) and the experts that
    /// it does not visit. A tied embedding counts once, as the output head.
    /// </summary>
    public long ActiveParameterCount
    {
        get
        {
            long idleExperts = MlpLayerTypes.LongCount(kind => kind == MlpKind.Sparse) * (ExpertCount - ExpertsPerToken);
            long embedding = TieWordEmbeddings ? 0 : (long)VocabularySize * HiddenSize;
            return ParameterCount - embedding - idleExperts * 3 * ExpertSize * HiddenSize;
        }
    }

    /// <summary>Every tensor of a checkpoint in this shape, in a file's usual order, scales of FP8 weights not counted.</summary>
    /// <param name="withMtp">Whether the tensors of an MTP head are among them.</param>
    public IEnumerable<ExpectedTensor> ExpectedTensors(bool withMtp) => withMtp ? TrunkTensors().Concat(MtpTensors()) : TrunkTensors();

    /// <summary>The tensors outside of the MTP head.</summary>
    public IEnumerable<ExpectedTensor> TrunkTensors()
    {
        yield return new(EmbeddingName, new Shape(VocabularySize, HiddenSize));
        for (int l = 0; l < LayerCount; l++)
            foreach (ExpectedTensor tensor in LayerTensors(LayerPrefix(l), MlpLayerTypes[l]))
                yield return tensor;
        yield return new("model.norm.weight", new Shape(HiddenSize));
        if (!TieWordEmbeddings)
            yield return new(HeadName, new Shape(VocabularySize, HiddenSize));
    }

    /// <summary>The tensors of an MTP head.</summary>
    public IEnumerable<ExpectedTensor> MtpTensors()
    {
        yield return new("mtp.fc.weight", new Shape(HiddenSize, 2 * HiddenSize));
        yield return new("mtp.pre_fc_norm_embedding.weight", new Shape(HiddenSize));
        yield return new("mtp.pre_fc_norm_hidden.weight", new Shape(HiddenSize));
        foreach (ExpectedTensor tensor in LayerTensors(MtpLayerPrefix, MtpMlpLayerType))
            yield return tensor;
        yield return new("mtp.norm.weight", new Shape(HiddenSize));
    }

    private IEnumerable<ExpectedTensor> LayerTensors(string prefix, MlpKind mlp)
    {
        yield return new(prefix + "input_layernorm.weight", new Shape(HiddenSize));
        yield return new(prefix + "self_attn.q_proj.weight", new Shape(QuerySize, HiddenSize));
        yield return new(prefix + "self_attn.k_proj.weight", new Shape(KeyValueSize, HiddenSize));
        yield return new(prefix + "self_attn.v_proj.weight", new Shape(KeyValueSize, HiddenSize));
        yield return new(prefix + "self_attn.o_proj.weight", new Shape(HiddenSize, QuerySize));
        yield return new(prefix + "self_attn.q_norm.weight", new Shape(HeadSize));
        yield return new(prefix + "self_attn.k_norm.weight", new Shape(HeadSize));
        yield return new(prefix + "post_attention_layernorm.weight", new Shape(HiddenSize));
        if (mlp == MlpKind.Sparse)
        {
            yield return new(prefix + "mlp.gate.weight", new Shape(ExpertCount, HiddenSize));
            for (int e = 0; e < ExpertCount; e++)
            {
                string expert = string.Create(CultureInfo.InvariantCulture, $"{prefix}mlp.experts.{e}.");
                foreach (ExpectedTensor tensor in MlpTensors(expert, ExpertSize))
                    yield return tensor;
            }
        }
        else
        {
            foreach (ExpectedTensor tensor in MlpTensors(prefix + "mlp.", IntermediateSize))
                yield return tensor;
        }
    }

    private IEnumerable<ExpectedTensor> MlpTensors(string prefix, int width)
    {
        yield return new(prefix + "gate_proj.weight", new Shape(width, HiddenSize));
        yield return new(prefix + "up_proj.weight", new Shape(width, HiddenSize));
        yield return new(prefix + "down_proj.weight", new Shape(HiddenSize, width));
    }

    private static long Count(IEnumerable<ExpectedTensor> tensors)
    {
        long count = 0;
        foreach (ExpectedTensor tensor in tensors)
            count = checked(count + tensor.Shape.Count);
        return count;
    }
}
