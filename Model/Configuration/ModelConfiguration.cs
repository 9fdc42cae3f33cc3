using System.Collections.Immutable;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>
/// The shape of a Mellum 2 model and every setting that its arithmetic depends on, as config.json has it. Nothing is
/// taken from class defaults: what changes the result must be written in the file.
/// </summary>
public sealed partial record ModelConfiguration
{
    /// <summary>More layers than any file may ask for.</summary>
    internal const int MaximumLayers = 1024;

    /// <summary>Tokens in the vocabulary, <c>vocab_size</c>.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Width of the residual stream, <c>hidden_size</c>.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>The kind of attention of each layer, <c>layer_types</c>.</summary>
    public required ImmutableArray<AttentionKind> LayerTypes { get; init; }

    /// <summary>The feed-forward part of each layer, <c>mlp_layer_types</c>; as many as <see cref="LayerTypes"/>.</summary>
    public required ImmutableArray<MlpKind> MlpLayerTypes { get; init; }

    /// <summary>Query heads, <c>num_attention_heads</c>.</summary>
    public required int HeadCount { get; init; }

    /// <summary>Key and value heads, <c>num_key_value_heads</c>; divides <see cref="HeadCount"/>.</summary>
    public required int KeyValueHeadCount { get; init; }

    /// <summary>Width of a head, <c>head_dim</c>: not hidden_size / num_attention_heads.</summary>
    public required int HeadSize { get; init; }

    /// <summary>Width of dense MLPs, <c>intermediate_size</c>; 0 if the file has none and no layer needs it.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Width of one expert, <c>moe_intermediate_size</c>; 0 if no layer is sparse.</summary>
    public required int ExpertSize { get; init; }

    /// <summary>Experts of a sparse layer, <c>num_experts</c>; 0 if no layer is sparse.</summary>
    public required int ExpertCount { get; init; }

    /// <summary>Experts that a token visits, <c>num_experts_per_tok</c>.</summary>
    public required int ExpertsPerToken { get; init; }

    /// <summary>Whether the chosen experts' probabilities are divided by their sum, <c>norm_topk_prob</c>.</summary>
    public required bool NormalizeExpertWeights { get; init; }

    /// <summary>The ε of every RMSNorm, <c>rms_norm_eps</c>.</summary>
    public required double RmsNormEpsilon { get; init; }

    /// <summary>Whether the output head is the embedding, <c>tie_word_embeddings</c>.</summary>
    public required bool TieWordEmbeddings { get; init; }

    /// <summary>Keys that sliding attention sees, the token itself among them, <c>sliding_window</c>; 0 if there is none.</summary>
    public required int SlidingWindow { get; init; }

    /// <summary>The rotary embedding of sliding attention; null if the file has none and no layer needs it.</summary>
    public RopeConfiguration? SlidingRope { get; init; }

    /// <summary>The rotary embedding of full attention; null if the file has none and no layer needs it.</summary>
    public RopeConfiguration? FullRope { get; init; }

    /// <summary>The longest context, <c>max_position_embeddings</c>.</summary>
    public required int MaximumPositions { get; init; }

    /// <summary>
    /// <c>num_nextn_predict_layers</c>, 0 or 1; null if the file does not say: then the checkpoint's tensors tell
    /// whether there is an MTP head.
    /// </summary>
    public int? MtpLayerCount { get; init; }

    /// <summary>The attention of the MTP layer, <c>mtp_layer_types</c>.</summary>
    public AttentionKind MtpLayerType { get; init; } = AttentionKind.Sliding;

    /// <summary>The feed-forward part of the MTP layer, <c>mtp_mlp_layer_types</c>.</summary>
    public MlpKind MtpMlpLayerType { get; init; } = MlpKind.Sparse;

    /// <summary>
    /// <c>tie_last_hidden_states</c>: whether the MTP head takes the trunk's state after its final norm (true) or
    /// before it.
    /// </summary>
    public bool MtpTakesNormedState { get; init; } = true;

    /// <summary>The token that begins a document, <c>bos_token_id</c>.</summary>
    public int? BosTokenId { get; init; }

    /// <summary>
    /// The tokens that end generation: <c>eos_token_id</c> of config.json and of generation_config.json, in rising
    /// order.
    /// </summary>
    public ImmutableArray<int> EosTokenIds { get; init; } = [];

    /// <summary>The format that <c>dtype</c> (formerly <c>torch_dtype</c>) states; tensors tell their own.</summary>
    public DType? StoredType { get; init; }

    /// <summary><c>quantization_config</c>; null if there is none.</summary>
    public QuantizationConfiguration? Quantization { get; init; }

    /// <summary>Deviation of freshly drawn weights, <c>initializer_range</c>; only for training from scratch.</summary>
    public double InitializerRange { get; init; } = 0.02;

    /// <summary>Weight of the load-balancing loss, <c>router_aux_loss_coef</c>; only for training.</summary>
    public double RouterAuxiliaryLossWeight { get; init; } = 0.001;

    /// <summary>Layers of the trunk, <c>num_hidden_layers</c>.</summary>
    public int LayerCount => LayerTypes.Length;

    /// <summary>Outputs of a query projection: heads × head size.</summary>
    public int QuerySize => HeadCount * HeadSize;

    /// <summary>Outputs of a key or value projection: KV heads × head size.</summary>
    public int KeyValueSize => KeyValueHeadCount * HeadSize;

    /// <summary>The rotary embedding of the layers with this kind of attention.</summary>
    /// <exception cref="InvalidInputException">The file has none for it.</exception>
    public RopeParameters Rope(AttentionKind kind) =>
        ((kind == AttentionKind.Sliding ? SlidingRope : FullRope)
            ?? throw new InvalidInputException($"The configuration has no rope_parameters for {kind.Name()}.")).ToParameters(HeadSize);

    /// <summary>The same model with <paramref name="count"/> layers: the first ones, or the pattern repeated.</summary>
    public ModelConfiguration WithLayers(int count)
    {
        if (count < 1 || count > MaximumLayers)
            throw new InvalidInputException($"A model of {count} layers was asked for, but 1 to {MaximumLayers} are expected.");
        return this with
        {
            LayerTypes = [.. Enumerable.Range(0, count).Select(l => LayerTypes[l % LayerTypes.Length])],
            MlpLayerTypes = [.. Enumerable.Range(0, count).Select(l => MlpLayerTypes[l % MlpLayerTypes.Length])],
        };
    }
}
