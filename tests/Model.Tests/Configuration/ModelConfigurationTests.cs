using System.Text.Json.Nodes;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Xunit;

namespace Mellum2.Managed.Model.Tests;

public sealed class ModelConfigurationTests
{
    private static readonly ModelConfiguration s_released = ModelConfiguration.Named("mellum2-12b");

    [Fact]
    public void Released_shape_has_the_published_counts()
    {
        Assert.Equal(12_149_923_072, s_released.ParameterCount);
        Assert.Equal(2_212_568_320, s_released.ActiveParameterCount);
        Assert.Equal(5_631, s_released.ExpectedTensors(withMtp: false).Count());
        Assert.Equal(428_371_456, s_released.MtpParameterCount);
        Assert.Equal(205, s_released.MtpTensors().Count());
        Assert.Equal(5_631 + 205, s_released.ExpectedTensors(withMtp: true).Count());
    }

    [Fact]
    public void A_model_with_fewer_or_more_layers_keeps_the_pattern()
    {
        Assert.Equal(4, s_released.WithLayers(4).LayerCount);
        Assert.Equal(s_released.LayerTypes.Concat(s_released.LayerTypes.Take(2)), s_released.WithLayers(30).LayerTypes);
        Assert.Throws<InvalidInputException>(() => s_released.WithLayers(0));
        Assert.Throws<InvalidInputException>(() => ModelConfiguration.Named("mellum3"));
    }

    [Fact]
    public void Sizes_follow_from_heads_and_not_from_the_hidden_size()
    {
        Assert.Equal((4096, 512), (s_released.QuerySize, s_released.KeyValueSize));
        Assert.Contains(new ExpectedTensor("model.layers.27.self_attn.o_proj.weight", new Shape(2304, 4096)), s_released.TrunkTensors());
        Assert.Contains(new ExpectedTensor("mtp.fc.weight", new Shape(2304, 4608)), s_released.MtpTensors());
    }

    [Fact]
    public void The_published_file_is_read()
    {
        string layers = string.Join(",", Enumerable.Repeat("""
            "sliding_attention","sliding_attention","sliding_attention","full_attention"
            """, 7));
        string json = $$"""
            {
              "architectures": ["MellumForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 0,
              "dtype": "bfloat16", "eos_token_id": 28, "head_dim": 128, "hidden_act": "silu", "hidden_size": 2304,
              "initializer_range": 0.02, "intermediate_size": 7168, "layer_types": [{{layers}}],
              "max_position_embeddings": 131072, "max_window_layers": 0, "mlp_layer_types": [{{string.Join(",", Enumerable.Repeat("\"sparse\"", 28))}}],
              "model_type": "mellum", "moe_intermediate_size": 896, "norm_topk_prob": true, "num_attention_heads": 32,
              "num_experts": 64, "num_experts_per_tok": 8, "num_hidden_layers": 28, "num_key_value_heads": 4,
              "output_router_logits": false, "pad_token_id": null, "rms_norm_eps": 1e-06,
              "rope_parameters": {
                "full_attention": { "attention_factor": 1.2772588722239782, "beta_fast": 32.0, "beta_slow": 1.0, "factor": 16.0,
                  "original_max_position_embeddings": 8192, "rope_theta": 500000.0, "rope_type": "yarn" },
                "sliding_attention": { "rope_theta": 500000.0, "rope_type": "default" } },
              "router_aux_loss_coef": 0.001, "sliding_window": 1024, "tie_word_embeddings": false, "transformers_version": "5.8.1",
              "use_cache": true, "use_sliding_window": true, "vocab_size": 98304
            }
            """;

        ModelConfiguration configuration = ModelConfiguration.Parse(json, "config.json");

        Assert.Equal((s_released with { EosTokenIds = [28] }).ToJson(), configuration.ToJson());
        RopeParameters full = configuration.Rope(AttentionKind.Full), sliding = configuration.Rope(AttentionKind.Sliding);
        Assert.Equal(0.024955409, full.InverseFrequencies[18], 1e-9);
        Assert.Equal(0.00011040869, full.InverseFrequencies[34], 1e-12);
        Assert.Equal((1.2772588722239782, 1, 128), (full.AttentionFactor, sliding.AttentionFactor, sliding.Dimension));
    }

    [Fact]
    public void Stop_tokens_of_both_files_are_merged()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.Combine("config.json"), s_released.ToJson());
        Assert.Equal([0], ModelConfiguration.Load(folder.Root).EosTokenIds.ToArray());

        File.WriteAllText(folder.Combine("generation_config.json"), """{"eos_token_id":[28,0,28],"temperature":0.6,"do_sample":true}""");
        Assert.Equal([0, 28], ModelConfiguration.Load(folder.Root).EosTokenIds.ToArray());

        File.WriteAllText(folder.Combine("generation_config.json"), """{"eos_token_id":98304}""");
        Assert.Contains("generation_config.json", Assert.Throws<InvalidInputException>(() => ModelConfiguration.Load(folder.Root)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("bos_token_id", "null")]
    [InlineData("eos_token_id", "null")]
    [InlineData("eos_token_id", "[0, 28]")]
    [InlineData("architectures", "null")]
    [InlineData("attention_bias", "null")]
    [InlineData("dtype", "null")]
    [InlineData("intermediate_size", "null")]
    [InlineData("num_nextn_predict_layers", "0")]
    [InlineData("num_nextn_predict_layers", "1")]
    [InlineData("num_nextn_predict_layers", "null")]
    [InlineData("mtp_layer_types", "[\"full_attention\"]")]
    [InlineData("mtp_mlp_layer_types", "[\"dense\"]")]
    [InlineData("tie_last_hidden_states", "false")]
    [InlineData("torch_dtype", "\"bfloat16\"")]
    [InlineData("attention_dropout", "0.5")]
    [InlineData("rope_theta", "500000.0")]
    [InlineData("a_feature_that_is_off", "false")]
    [InlineData("another_one", "null")]
    [InlineData("a_list_of_nothing", "[]")]
    [InlineData("quantization_config", "null")]
    public void A_value_that_is_understood_is_read(string field, string value) => Parse(field, value);

    [Theory]
    [InlineData("model_type", "\"qwen3_moe\"", "mellum is expected")]
    [InlineData("model_type", null, "lacks the field model_type")]
    [InlineData("architectures", "[\"Qwen3MoeForCausalLM\"]", "MellumForCausalLM")]
    [InlineData("architectures", "\"MellumForCausalLM\"", "a list")]
    [InlineData("vocab_size", "0", "from 1 to")]
    [InlineData("vocab_size", "1e3", "whole number")]
    [InlineData("vocab_size", "\"98304\"", "whole number")]
    [InlineData("vocab_size", null, "lacks")]
    [InlineData("hidden_size", "-2304", "hidden_size")]
    [InlineData("hidden_size", "99999999999", "hidden_size")]
    [InlineData("num_hidden_layers", "27", "layer_types")]
    [InlineData("num_hidden_layers", "1025", "num_hidden_layers")]
    [InlineData("layer_types", null, "lacks")]
    [InlineData("layer_types", "[\"full_attention\"]", "28 layers")]
    [InlineData("mlp_layer_types", null, "lacks")]
    [InlineData("mlp_layer_types", "[\"sparse\"]", "28 layers")]
    [InlineData("num_attention_heads", "0", "num_attention_heads")]
    [InlineData("num_key_value_heads", "5", "a divisor of num_attention_heads")]
    [InlineData("head_dim", "127", "even")]
    [InlineData("head_dim", null, "lacks")]
    [InlineData("moe_intermediate_size", null, "lacks")]
    [InlineData("num_experts", "7", "num_experts_per_tok")]
    [InlineData("num_experts", null, "lacks")]
    [InlineData("num_experts_per_tok", "65", "at most num_experts")]
    [InlineData("norm_topk_prob", null, "lacks")]
    [InlineData("norm_topk_prob", "1", "true or false")]
    [InlineData("hidden_act", "\"gelu\"", "silu is expected")]
    [InlineData("hidden_act", null, "lacks")]
    [InlineData("rms_norm_eps", "0", "rms_norm_eps")]
    [InlineData("rms_norm_eps", "1e999", "rms_norm_eps")]
    [InlineData("rms_norm_eps", null, "lacks")]
    [InlineData("attention_bias", "true", "false")]
    [InlineData("mlp_bias", "true", "false")]
    [InlineData("tie_word_embeddings", null, "lacks")]
    [InlineData("sliding_window", null, "lacks")]
    [InlineData("sliding_window", "0", "sliding_window")]
    [InlineData("max_position_embeddings", null, "lacks")]
    [InlineData("num_nextn_predict_layers", "2", "from 0 to 1")]
    [InlineData("num_nextn_predict_layers", "-1", "from 0 to 1")]
    [InlineData("mtp_layer_types", "[\"chunked_attention\"]", "chunked_attention")]
    [InlineData("mtp_layer_types", "[\"full_attention\",\"full_attention\"]", "mtp_layer_types")]
    [InlineData("mtp_mlp_layer_types", "[\"moe\"]", "moe")]
    [InlineData("tie_last_hidden_states", "\"no\"", "true or false")]
    [InlineData("bos_token_id", "98304", "bos_token_id")]
    [InlineData("eos_token_id", "[0,\"x\"]", "eos_token_id")]
    [InlineData("eos_token_id", "-1", "eos_token_id")]
    [InlineData("dtype", "\"int8\"", "float32, bfloat16 or float16")]
    [InlineData("torch_dtype", "\"float16\"", "torch_dtype")]
    [InlineData("rope_theta", "10000.0", "rope_theta")]
    [InlineData("rope_scaling", "{\"type\":\"yarn\",\"factor\":4.0}", "rope_scaling")]
    [InlineData("rope_parameters", null, "lacks")]
    [InlineData("rope_parameters", "7", "an object")]
    [InlineData("routed_scaling_factor", "2.5", "routed_scaling_factor")]
    [InlineData("attention_sinks", "true", "attention_sinks")]
    [InlineData("final_logit_softcapping", "30.0", "final_logit_softcapping")]
    [InlineData("slidng_window", "1024", "did you mean sliding_window?")]
    public void A_value_that_is_not_understood_is_refused_by_name(string field, string? value, string part) =>
        AssertRefused(() => Parse(field, value), part);

    [Theory]
    [InlineData("rope_type", "\"linear\"", "linear")]
    [InlineData("rope_type", "\"llama3\"", "llama3")]
    [InlineData("rope_type", null, "rope_type")]
    [InlineData("rope_theta", null, "rope_theta")]
    [InlineData("rope_theta", "1", "rope_theta")]
    [InlineData("factor", null, "factor")]
    [InlineData("factor", "0.5", "at least 1")]
    [InlineData("original_max_position_embeddings", null, "original_max_position_embeddings")]
    [InlineData("original_max_position_embeddings", "0.5", "a whole number")]
    [InlineData("beta_slow", "64", "beta_fast")]
    [InlineData("attention_factor", "-1", "attention_factor")]
    [InlineData("partial_rotary_factor", "0.5", "partial_rotary_factor")]
    [InlineData("truncate", "false", "truncate")]
    [InlineData("mscale", "1.0", "mscale")]
    public void A_rotary_embedding_that_is_not_understood_is_refused_by_name(string field, string? value, string part)
    {
        JsonObject json = Released();
        Set(json["rope_parameters"]!["full_attention"]!.AsObject(), field, value);

        AssertRefused(() => ModelConfiguration.Parse(json.ToJsonString(), "config.json"), part);
    }

    [Fact]
    public void Yarn_without_an_attention_factor_takes_it_from_the_factor()
    {
        JsonObject json = Released();
        json["rope_parameters"]!["full_attention"]!.AsObject().Remove("attention_factor");

        RopeParameters rope = ModelConfiguration.Parse(json.ToJsonString(), "config.json").Rope(AttentionKind.Full);

        Assert.Equal(0.1 * Math.Log(16) + 1, rope.AttentionFactor, 1e-15);
    }

    [Fact]
    public void Older_forms_of_rope_are_read_only_where_they_are_not_ambiguous()
    {
        const string yarn = """{"rope_type":"yarn","rope_theta":10000.0,"factor":4.0,"original_max_position_embeddings":64}""";
        JsonObject plain = Released();
        plain.Remove("rope_parameters");
        plain["rope_theta"] = 10000.0;
        Assert.Equal(new RopeConfiguration(10000), ModelConfiguration.Parse(plain.ToJsonString(), "c").FullRope);

        AssertRefused(() => Parse("rope_parameters", yarn), "both kinds");
        JsonObject onlyFull = Released();
        onlyFull["layer_types"] = new JsonArray([.. Enumerable.Repeat(0, 28).Select(_ => JsonValue.Create("full_attention"))]);
        onlyFull["rope_parameters"] = JsonNode.Parse(yarn);
        Assert.Equal(new RopeConfiguration(10000, new YarnConfiguration(4, 64, 32, 1, null)), ModelConfiguration.Parse(onlyFull.ToJsonString(), "c").FullRope);
        JsonObject noSliding = Released();
        noSliding["rope_parameters"]!.AsObject().Remove("sliding_attention");
        AssertRefused(() => ModelConfiguration.Parse(noSliding.ToJsonString(), "c"), "sliding_attention");
        onlyFull["rope_parameters"] = Released()["rope_parameters"]!.DeepClone();
        onlyFull["rope_parameters"]!.AsObject().Remove("sliding_attention");
        onlyFull["num_nextn_predict_layers"] = 1; // the MTP layer is sliding and needs what the trunk does not
        AssertRefused(() => ModelConfiguration.Parse(onlyFull.ToJsonString(), "c"), "sliding_attention");
    }

    [Theory]
    [InlineData("""{"quant_method":"fp8","activation_scheme":"dynamic","weight_block_size":[128,128],"fmt":"e4m3","modules_to_not_convert":["lm_head"]}""", null)]
    [InlineData("""{"quant_method":"fp8","activation_scheme":"static","weight_block_size":null}""", null)]
    [InlineData("""{"quant_method":"compressed-tensors","format":"float-quantized","quantization_status":"compressed","ignore":["lm_head"],"kv_cache_scheme":null,"config_groups":{"group_0":{"targets":["Linear"],"weights":{"num_bits":8,"type":"float","strategy":"channel","symmetric":true,"dynamic":false,"group_size":null},"input_activations":{"num_bits":8,"dynamic":true}}}}""", null)]
    [InlineData("""{"quant_method":"awq","bits":4}""", "awq")]
    [InlineData("""{"quant_method":"gptq"}""", "gptq")]
    [InlineData("""{"quant_method":"bitsandbytes","load_in_4bit":true}""", "bitsandbytes")]
    [InlineData("""{"load_in_8bit":true}""", "quant_method")]
    [InlineData("""{"quant_method":"fp8","weight_block_size":[64,64]}""", "[128, 128]")]
    [InlineData("""{"quant_method":"fp8","fmt":"e5m2"}""", "e4m3")]
    [InlineData("""{"quant_method":"fp8","rotation":"hadamard"}""", "rotation")]
    [InlineData("""{"quant_method":"compressed-tensors","format":"pack-quantized","config_groups":{}}""", "pack-quantized")]
    [InlineData("""{"quant_method":"compressed-tensors","format":"float-quantized"}""", "config_groups")]
    [InlineData("""{"quant_method":"compressed-tensors","format":"float-quantized","config_groups":{"g":{"weights":{"num_bits":4,"type":"float"}}}}""", "num_bits")]
    [InlineData("""{"quant_method":"compressed-tensors","format":"float-quantized","config_groups":{"g":{"weights":{"num_bits":8,"type":"int"}}}}""", "type")]
    [InlineData("""{"quant_method":"compressed-tensors","format":"float-quantized","config_groups":{},"kv_cache_scheme":{"num_bits":8}}""", "kv_cache_scheme")]
    public void Quantised_weights_are_FP8_or_refused_by_name(string quantization, string? part)
    {
        if (part is null)
            Assert.NotNull(Parse("quantization_config", quantization).Quantization);
        else
            AssertRefused(() => Parse("quantization_config", quantization), part);
    }

    [Theory]
    [InlineData("", "not valid JSON")]
    [InlineData("[]", "an object")]
    [InlineData("{", "not valid JSON")]
    [InlineData("""{"model_type":"mellum","model_type":"mellum"}""", "\"model_type\" twice")]
    [InlineData("""{"rope_parameters":{"full_attention":{"factor":1,"factor":2}}}""", "\"factor\" twice")]
    [InlineData("""{"a":[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]}""", "levels")]
    [InlineData("""{"\ud800":1}""", "Unicode")]
    [InlineData("""{"model_type":"\ud800"}""", "Unicode")]
    public void Text_that_is_not_strict_JSON_is_refused(string json, string part) =>
        AssertRefused(() => ModelConfiguration.Parse(json, "config.json"), part);

    [Fact]
    public void A_folder_without_a_configuration_is_named()
    {
        using TemporaryFolder folder = new();

        AssertRefused(() => ModelConfiguration.Load(folder.Root), folder.Root);
        AssertRefused(() => ModelConfiguration.Load(folder.Combine("none")), "none");
    }

    private static JsonObject Released() => JsonNode.Parse(s_released.ToJson())!.AsObject();

    private static ModelConfiguration Parse(string field, string? value)
    {
        string json = s_released.ToJson();
        JsonObject parsed = Released();
        parsed.Remove(field);
        // Numbers are pasted as text, so that 1e3 stays 1e3.
        json = parsed.ToJsonString();
        if (value is not null)
            json = $"{json[..^1]},\"{field}\":{value}}}";
        return ModelConfiguration.Parse(json, "config.json");
    }

    private static void Set(JsonObject json, string field, string? value)
    {
        json.Remove(field);
        if (value is not null)
            json[field] = JsonNode.Parse(value);
    }

    private static void AssertRefused<T>(Func<T> action, string part) =>
        Assert.Contains(part, Assert.Throws<InvalidInputException>(() => { _ = action(); }).Message, StringComparison.Ordinal);
}
