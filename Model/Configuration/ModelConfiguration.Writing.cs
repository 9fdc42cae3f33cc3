using System.Globalization;
using System.Text.Json.Nodes;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

public sealed partial record ModelConfiguration
{
    /// <summary>The text of a config.json that <see cref="Parse"/> and the reference implementation read.</summary>
    public string ToJson()
    {
        JsonObject rope = [];
        if (SlidingRope is not null)
            rope[LayerKinds.Sliding] = ToJson(SlidingRope);
        if (FullRope is not null)
            rope[LayerKinds.Full] = ToJson(FullRope);
        JsonObject json = new()
        {
            ["architectures"] = new JsonArray("MellumForCausalLM"),
            ["model_type"] = "mellum",
            ["vocab_size"] = VocabularySize,
            ["hidden_size"] = HiddenSize,
            ["intermediate_size"] = OrNull(IntermediateSize),
            ["num_hidden_layers"] = LayerCount,
            ["num_attention_heads"] = HeadCount,
            ["num_key_value_heads"] = KeyValueHeadCount,
            ["head_dim"] = HeadSize,
            ["hidden_act"] = "silu",
            ["max_position_embeddings"] = MaximumPositions,
            ["initializer_range"] = Real(InitializerRange),
            ["rms_norm_eps"] = Real(RmsNormEpsilon),
            ["tie_word_embeddings"] = TieWordEmbeddings,
            ["rope_parameters"] = rope,
            ["attention_bias"] = false,
            ["attention_dropout"] = Real(0.0),
            ["sliding_window"] = OrNull(SlidingWindow),
            ["moe_intermediate_size"] = OrNull(ExpertSize),
            ["num_experts_per_tok"] = OrNull(ExpertsPerToken),
            ["num_experts"] = OrNull(ExpertCount),
            ["norm_topk_prob"] = NormalizeExpertWeights,
            ["router_aux_loss_coef"] = Real(RouterAuxiliaryLossWeight),
            ["bos_token_id"] = BosTokenId,
            ["eos_token_id"] = EosTokenIds.Length == 1 ? EosTokenIds[0] : new JsonArray([.. EosTokenIds.Select(id => JsonValue.Create(id))]),
            ["layer_types"] = new JsonArray([.. LayerTypes.Select(kind => JsonValue.Create(kind.Name()))]),
            ["mlp_layer_types"] = new JsonArray([.. MlpLayerTypes.Select(kind => JsonValue.Create(kind.Name()))]),
        };
        if (MtpLayerCount is not null)
            json["num_nextn_predict_layers"] = MtpLayerCount;
        if (MtpLayerCount == 1)
        {
            json["mtp_layer_types"] = new JsonArray(MtpLayerType.Name());
            json["mtp_mlp_layer_types"] = new JsonArray(MtpMlpLayerType.Name());
            json["tie_last_hidden_states"] = MtpTakesNormedState;
        }
        if (StoredType is { } type)
            json["dtype"] = type switch { DType.F32 => "float32", DType.F16 => "float16", _ => "bfloat16" };
        if (Quantization is not null)
            json["quantization_config"] = Quantization.ToJson();
        return json.ToJsonString(new System.Text.Json.JsonSerializerOptions { WriteIndented = true }) + "\n";
    }

    /// <summary>A number with a decimal point or an exponent: the reference is strict about what is whole and what is not.</summary>
    private static JsonNode Real(double value)
    {
        string text = value.ToString("R", CultureInfo.InvariantCulture);
        return JsonNode.Parse(text.AsSpan().IndexOfAny('.', 'E') < 0 ? text + ".0" : text)!;
    }

    private static JsonValue? OrNull(int value) => value == 0 ? null : JsonValue.Create(value);

    private static JsonObject ToJson(RopeConfiguration rope)
    {
        JsonObject json = new() { ["rope_type"] = rope.Yarn is null ? "default" : "yarn", ["rope_theta"] = Real(rope.Theta) };
        if (rope.Yarn is { } yarn)
        {
            json["factor"] = Real(yarn.Factor);
            json["original_max_position_embeddings"] = yarn.OriginalLength;
            json["beta_fast"] = Real(yarn.BetaFast);
            json["beta_slow"] = Real(yarn.BetaSlow);
            if (yarn.AttentionFactor is { } factor)
                json["attention_factor"] = Real(factor);
        }
        return json;
    }
}
