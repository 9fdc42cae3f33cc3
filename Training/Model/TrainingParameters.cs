using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>Finds a model's parameters and gives each a gradient.</summary>
internal static class TrainingParameters
{
    /// <summary>All parameters by their checkpoint names; gate and up are views of the rows of one matrix.</summary>
    public static List<OptimizerParameter> Of(ModelConfiguration configuration, ModelWeights weights, DType type, Tape tape)
    {
        List<OptimizerParameter> parameters = [];
        void Add(string name, Tensor weight) => parameters.Add(new OptimizerParameter(name, weight, Gradient(weight, type, tape)));
        void AddMlp(string prefix, WeightMatrix gateUp, WeightMatrix down)
        {
            Tensor gradient = Gradient(gateUp.Data, type, tape);
            int half = gateUp.Rows / 2;
            parameters.Add(new OptimizerParameter(prefix + "gate_proj.weight", gateUp.Data.RowsView(0, half), gradient.RowsView(0, half)));
            parameters.Add(new OptimizerParameter(prefix + "up_proj.weight", gateUp.Data.RowsView(half, half), gradient.RowsView(half, half)));
            Add(prefix + "down_proj.weight", down.Data);
        }
        void AddLayer(string prefix, LayerWeights layer)
        {
            Add(prefix + "input_layernorm.weight", layer.InputNorm);
            Add(prefix + "self_attn.q_proj.weight", layer.Query.Data);
            Add(prefix + "self_attn.k_proj.weight", layer.Key.Data);
            Add(prefix + "self_attn.v_proj.weight", layer.Value.Data);
            Add(prefix + "self_attn.o_proj.weight", layer.Output.Data);
            Add(prefix + "self_attn.q_norm.weight", layer.QueryNorm);
            Add(prefix + "self_attn.k_norm.weight", layer.KeyNorm);
            Add(prefix + "post_attention_layernorm.weight", layer.PostAttentionNorm);
            if (layer.Router is { } router)
                Add(prefix + "mlp.gate.weight", router.Data);
            for (int e = 0; e < layer.GateUp.Length; e++)
                AddMlp(layer.Router is null ? prefix + "mlp." : $"{prefix}mlp.experts.{e}.", layer.GateUp[e], layer.Down[e]);
        }

        Add("model.embed_tokens.weight", weights.Embedding.Data);
        for (int l = 0; l < weights.Layers.Length; l++)
            AddLayer(ModelConfiguration.LayerPrefix(l), weights.Layers[l]);
        Add("model.norm.weight", weights.FinalNorm);
        if (!configuration.TieWordEmbeddings)
            Add("lm_head.weight", weights.Head.Data);
        if (weights.Mtp is { } mtp)
        {
            Add("mtp.fc.weight", mtp.Projection.Data);
            Add("mtp.pre_fc_norm_embedding.weight", mtp.EmbeddingNorm);
            Add("mtp.pre_fc_norm_hidden.weight", mtp.StateNorm);
            AddLayer(ModelConfiguration.MtpLayerPrefix, mtp.Layer);
            Add("mtp.norm.weight", mtp.FinalNorm);
        }
        return parameters;
    }

    private static Tensor Gradient(Tensor weight, DType type, Tape tape)
    {
        Tensor gradient = Tensor.Allocate(type, weight.Shape);
        tape.Register(weight, gradient);
        return gradient;
    }
}
