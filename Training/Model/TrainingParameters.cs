using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>A weight by the name that released checkpoints give it.</summary>
/// <param name="Name">The name.</param>
/// <param name="Tensor">The weight in the kernels' activation type; norms are always F32.</param>
public readonly record struct NamedTensor(string Name, Tensor Tensor);

/// <summary>Finds the weights of a model that are trained and gives them gradients.</summary>
/// <param name="type">The activation type, which gradients have.</param>
/// <param name="trained">What is trained.</param>
/// <param name="tape">Where gradients are registered.</param>
/// <param name="allocate">Where their memory comes from.</param>
internal sealed class TrainingParameters(DType type, TrainedPart trained, Tape tape, TensorAllocator allocate) : IDisposable
{
    private readonly List<Tensor> _gradients = [];

    /// <summary>The weights that are trained; gate and up are views of the rows of one matrix.</summary>
    public List<NamedTensor> All { get; } = [];

    /// <summary>The same with their gradients.</summary>
    public List<OptimizerParameter> Trained { get; } = [];

    /// <summary>Lists the weights of a model in the order of its checkpoint.</summary>
    public void Add(ModelConfiguration configuration, ModelWeights weights)
    {
        if (trained == TrainedPart.Whole)
            AddTrunk(configuration, weights);
        if (weights.Mtp is not { } mtp)
            return;
        Add("mtp.fc.weight", mtp.Projection.Data);
        Add("mtp.pre_fc_norm_embedding.weight", mtp.EmbeddingNorm);
        Add("mtp.pre_fc_norm_hidden.weight", mtp.StateNorm);
        AddLayer(ModelConfiguration.MtpLayerPrefix, mtp.Layer);
        Add("mtp.norm.weight", mtp.FinalNorm);
    }

    /// <inheritdoc/>
    public void Dispose() => _gradients.ForEach(gradient => gradient.Dispose());

    private void AddTrunk(ModelConfiguration configuration, ModelWeights weights)
    {
        Add(ModelConfiguration.EmbeddingName, weights.Embedding.Data);
        for (int l = 0; l < weights.Layers.Length; l++)
            AddLayer(ModelConfiguration.LayerPrefix(l), weights.Layers[l]);
        Add("model.norm.weight", weights.FinalNorm);
        if (!configuration.TieWordEmbeddings)
            Add(ModelConfiguration.HeadName, weights.Head.Data);
    }

    private void AddLayer(string prefix, LayerWeights layer)
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
        {
            string mlp = layer.Router is null ? prefix + "mlp." : $"{prefix}mlp.experts.{e}.";
            Tensor gateUp = layer.GateUp[e].Data;
            Tensor gradient = Gradient(gateUp);
            int half = gateUp.Rows / 2;
            Add(mlp + "gate_proj.weight", gateUp.RowsView(0, half), gradient.RowsView(0, half));
            Add(mlp + "up_proj.weight", gateUp.RowsView(half, half), gradient.RowsView(half, half));
            Add(mlp + "down_proj.weight", layer.Down[e].Data);
        }
    }

    private void Add(string name, Tensor weight) => Add(name, weight, Gradient(weight));

    private void Add(string name, Tensor weight, Tensor gradient)
    {
        All.Add(new NamedTensor(name, weight));
        Trained.Add(new OptimizerParameter(name, weight, gradient));
    }

    private Tensor Gradient(Tensor weight)
    {
        Tensor gradient = allocate(type, weight.Shape);
        _gradients.Add(gradient);
        tape.Register(weight, gradient);
        return gradient;
    }
}
