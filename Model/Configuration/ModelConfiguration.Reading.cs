using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

public sealed partial record ModelConfiguration
{
    private const int MaximumSize = 1 << 18;
    private const int MaximumHeads = 4096;
    private const int MaximumVocabulary = 1 << 24;

    /// <summary>
    /// Fields that are known to leave the result of a forward pass alone: training settings, caching, where the file
    /// comes from; <c>use_sliding_window</c> and <c>max_window_layers</c> stand in released files, but the reference
    /// takes the windows from <c>layer_types</c> alone.
    /// </summary>
    private static readonly string[] s_harmless =
    [
        "transformers_version", "use_cache", "attention_dropout", "output_router_logits", "use_sliding_window", "max_window_layers",
        "pad_token_id", "sep_token_id", "decoder_start_token_id", "_name_or_path", "name_or_path", "return_dict", "use_return_dict",
        "output_hidden_states", "output_attentions", "torchscript", "problem_type", "id2label", "label2id", "num_labels",
        "chunk_size_feed_forward", "task_specific_params", "finetuning_task", "pretraining_tp", "_attn_implementation",
        "attn_implementation", "_attn_implementation_autoset", "_experts_implementation", "experts_implementation",
        "_moe_implementation", "unsloth_version", "unsloth_fixed", "model_name", "resid_pdrop", "embd_pdrop", "attn_pdrop",
        "router_z_loss_coef", "mtp_loss_coef", "mtp_loss_weight",
    ];

    /// <summary>
    /// Reads config.json of <paramref name="folder"/> and, if it is there, the <c>eos_token_id</c> of
    /// generation_config.json.
    /// </summary>
    /// <exception cref="InvalidInputException">A file is missing or has a value that this engine does not understand.</exception>
    public static ModelConfiguration Load(string folder)
    {
        string path = Path.Combine(folder, "config.json");
        if (!File.Exists(path))
            throw new InvalidInputException($"The folder {folder} has no config.json.");
        ModelConfiguration configuration;
        using (JsonDocument document = StrictJson.Read(path))
            configuration = Read(new JsonFields(document.RootElement, path));
        string generationPath = Path.Combine(folder, "generation_config.json");
        if (!File.Exists(generationPath))
            return configuration;
        using JsonDocument generation = StrictJson.Read(generationPath);
        int[] eos = new JsonFields(generation.RootElement, generationPath).Ints("eos_token_id", 0, configuration.VocabularySize - 1);
        return configuration with { EosTokenIds = Sorted([.. configuration.EosTokenIds, .. eos]) };
    }

    /// <summary>Reads the text of a config.json; <paramref name="name"/> stands for it in messages.</summary>
    /// <exception cref="InvalidInputException">It has a value that this engine does not understand.</exception>
    public static ModelConfiguration Parse(string json, string name)
    {
        using JsonDocument document = StrictJson.Parse(Encoding.UTF8.GetBytes(json), name);
        return Read(new JsonFields(document.RootElement, name));
    }

    private static ModelConfiguration Read(JsonFields fields)
    {
        RefuseOtherModels(fields);
        fields.Ignore(s_harmless);
        int layers = fields.Int("num_hidden_layers", 1, MaximumLayers);
        AttentionKind[] attention = LayerKinds.ReadAttention(fields, "layer_types", layers) ?? throw fields.Missing("layer_types");
        MlpKind[] mlp = LayerKinds.ReadMlp(fields, "mlp_layer_types", layers) ?? throw fields.Missing("mlp_layer_types");
        int? mtpLayers = fields.OptionalInt("num_nextn_predict_layers", 0, 1);
        AttentionKind mtpAttention = LayerKinds.ReadAttention(fields, "mtp_layer_types", 1)?[0] ?? AttentionKind.Sliding;
        MlpKind mtpMlp = LayerKinds.ReadMlp(fields, "mtp_mlp_layer_types", 1)?[0] ?? MlpKind.Sparse;
        HashSet<AttentionKind> attentionKinds = [.. attention];
        HashSet<MlpKind> mlpKinds = [.. mlp];
        if (mtpLayers == 1)
        {
            attentionKinds.Add(mtpAttention);
            mlpKinds.Add(mtpMlp);
        }

        int vocabulary = fields.Int("vocab_size", 1, MaximumVocabulary);
        (RopeConfiguration? sliding, RopeConfiguration? full) = RopeConfiguration.Read(fields, attentionKinds);
        ModelConfiguration configuration = new()
        {
            VocabularySize = vocabulary,
            HiddenSize = fields.Int("hidden_size", 1, MaximumSize),
            LayerTypes = ImmutableArray.Create(attention),
            MlpLayerTypes = ImmutableArray.Create(mlp),
            HeadCount = fields.Int("num_attention_heads", 1, MaximumHeads),
            KeyValueHeadCount = fields.Int("num_key_value_heads", 1, MaximumHeads),
            HeadSize = fields.Int("head_dim", 2, MaximumHeads),
            IntermediateSize = Needed(fields, "intermediate_size", 1, MaximumSize, mlpKinds.Contains(MlpKind.Dense)),
            ExpertSize = Needed(fields, "moe_intermediate_size", 1, MaximumSize, mlpKinds.Contains(MlpKind.Sparse)),
            ExpertCount = Needed(fields, "num_experts", 1, 4096, mlpKinds.Contains(MlpKind.Sparse)),
            ExpertsPerToken = Needed(fields, "num_experts_per_tok", 1, 4096, mlpKinds.Contains(MlpKind.Sparse)),
            NormalizeExpertWeights = fields.OptionalBool("norm_topk_prob")
                ?? (mlpKinds.Contains(MlpKind.Sparse) ? throw fields.Missing("norm_topk_prob") : false),
            RmsNormEpsilon = fields.Number("rms_norm_eps", 0, 1),
            TieWordEmbeddings = fields.Bool("tie_word_embeddings"),
            SlidingWindow = Needed(fields, "sliding_window", 1, int.MaxValue, attentionKinds.Contains(AttentionKind.Sliding)),
            SlidingRope = sliding,
            FullRope = full,
            MaximumPositions = fields.Int("max_position_embeddings", 1, int.MaxValue),
            MtpLayerCount = mtpLayers,
            MtpLayerType = mtpAttention,
            MtpMlpLayerType = mtpMlp,
            MtpTakesNormedState = fields.OptionalBool("tie_last_hidden_states") ?? true,
            BosTokenId = fields.OptionalInt("bos_token_id", 0, vocabulary - 1),
            EosTokenIds = Sorted(fields.Ints("eos_token_id", 0, vocabulary - 1)),
            StoredType = ReadStoredType(fields),
            Quantization = QuantizationConfiguration.Read(fields),
            InitializerRange = fields.OptionalNumber("initializer_range", 0, 1e3) ?? 0.02,
            RouterAuxiliaryLossWeight = fields.OptionalNumber("router_aux_loss_coef", double.NegativeInfinity, 1e6) ?? 0.001,
        };
        fields.RefuseUnknown();
        if (configuration.HeadCount % configuration.KeyValueHeadCount != 0)
            throw fields.Wrong("num_key_value_heads", $"a divisor of num_attention_heads = {configuration.HeadCount}");
        if (configuration.HeadSize % 2 != 0)
            throw fields.Wrong("head_dim", "an even number");
        if (configuration.ExpertsPerToken > configuration.ExpertCount)
            throw fields.Wrong("num_experts_per_tok", $"at most num_experts = {configuration.ExpertCount}");
        return configuration;
    }

    private static void RefuseOtherModels(JsonFields fields)
    {
        if (fields.Text("model_type") is not "mellum")
            throw fields.Wrong("model_type", "mellum");
        foreach (string architecture in fields.OptionalTexts("architectures", 16) ?? [])
            if (architecture != "MellumForCausalLM")
                throw fields.Wrong("architectures", "MellumForCausalLM");
        if (fields.Text("hidden_act") is not "silu")
            throw fields.Wrong("hidden_act", "silu");
        fields.RequireFalse("attention_bias", "mlp_bias", "is_encoder_decoder", "add_cross_attention");
    }

    private static int Needed(JsonFields fields, string name, int minimum, int maximum, bool isNeeded) =>
        fields.OptionalInt(name, minimum, maximum) ?? (isNeeded ? throw fields.Missing(name) : 0);

    private static DType? ReadStoredType(JsonFields fields)
    {
        string? name = fields.OptionalText("dtype"), older = fields.OptionalText("torch_dtype");
        if (name is not null && older is not null && name != older)
            throw fields.Wrong("torch_dtype", $"dtype = \"{name}\"");
        return (name ?? older) switch
        {
            null => null,
            "float32" => DType.F32,
            "bfloat16" => DType.BF16,
            "float16" => DType.F16,
            _ => throw fields.Wrong(name is null ? "torch_dtype" : "dtype", "float32, bfloat16 or float16"),
        };
    }

    private static ImmutableArray<int> Sorted(int[] ids) => [.. ids.Distinct().Order()];
}
