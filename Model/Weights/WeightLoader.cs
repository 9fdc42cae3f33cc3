using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>How far loading has come.</summary>
/// <param name="Done">Parts (layers, tables, heads) that are ready.</param>
/// <param name="Total">All parts.</param>
public readonly record struct LoadProgress(int Done, int Total);

/// <summary>
/// Reads weights by their checkpoint names and lets the back end reorder them, tensor by tensor: a source tensor is let
/// go of as soon as it is packed, so no model is in memory twice.
/// </summary>
public sealed class WeightLoader(ModelConfiguration configuration, IWeightSource source, IForwardKernels kernels)
{
    /// <summary>Loads everything; the MTP head only <paramref name="withMtp"/>.</summary>
    public ModelWeights Load(bool withMtp, IProgress<LoadProgress>? progress = null, CancellationToken cancel = default)
    {
        int total = configuration.LayerCount + 2 + (withMtp ? 1 : 0), done = 0;
        void Advance()
        {
            progress?.Report(new LoadProgress(++done, total));
            cancel.ThrowIfCancellationRequested();
        }

        int vocabulary = configuration.VocabularySize, hidden = configuration.HiddenSize;
        WeightMatrix embedding, head;
        if (configuration.TieWordEmbeddings)
        {
            embedding = head = Prepare("model.embed_tokens.weight", vocabulary, hidden);
        }
        else
        {
            using (WeightMatrix table = source.OpenMatrix("model.embed_tokens.weight", vocabulary, hidden))
                embedding = kernels.PrepareEmbedding(table);
            Advance();
            head = Prepare(ModelConfiguration.HeadName, vocabulary, hidden);
        }
        Advance();
        LayerWeights[] layers = new LayerWeights[configuration.LayerCount];
        for (int l = 0; l < layers.Length; l++)
        {
            layers[l] = LoadLayer(ModelConfiguration.LayerPrefix(l), configuration.MlpLayerTypes[l]);
            Advance();
        }
        MtpWeights? mtp = withMtp ? LoadMtp() : null;
        return new ModelWeights
        {
            Embedding = embedding,
            Head = head,
            Layers = layers,
            FinalNorm = Vector("model.norm.weight", hidden),
            Mtp = mtp,
        };
    }

    private MtpWeights LoadMtp()
    {
        int hidden = configuration.HiddenSize;
        return new MtpWeights
        {
            Projection = Prepare("mtp.fc.weight", hidden, 2 * hidden),
            EmbeddingNorm = Vector("mtp.pre_fc_norm_embedding.weight", hidden),
            StateNorm = Vector("mtp.pre_fc_norm_hidden.weight", hidden),
            Layer = LoadLayer(ModelConfiguration.MtpLayerPrefix, configuration.MtpMlpLayerType),
            FinalNorm = Vector("mtp.norm.weight", hidden),
        };
    }

    private LayerWeights LoadLayer(string prefix, MlpKind mlp)
    {
        int hidden = configuration.HiddenSize, dimension = configuration.HeadSize;
        int queries = configuration.QuerySize, keys = configuration.KeyValueSize;
        string attention = prefix + "self_attn.";
        WeightMatrix[] gateUp, down;
        WeightMatrix? router = null;
        if (mlp == MlpKind.Sparse)
        {
            router = Prepare(prefix + "mlp.gate.weight", configuration.ExpertCount, hidden);
            gateUp = new WeightMatrix[configuration.ExpertCount];
            down = new WeightMatrix[configuration.ExpertCount];
            for (int e = 0; e < gateUp.Length; e++)
                (gateUp[e], down[e]) = LoadMlp($"{prefix}mlp.experts.{e}.", configuration.ExpertSize);
            kernels.Gather(gateUp);
            kernels.Gather(down);
        }
        else
        {
            var (g, d) = LoadMlp(prefix + "mlp.", configuration.IntermediateSize);
            (gateUp, down) = ([g], [d]);
        }
        return new LayerWeights
        {
            InputNorm = Vector(prefix + "input_layernorm.weight", hidden),
            Query = Prepare(attention + "q_proj.weight", queries, hidden),
            Key = Prepare(attention + "k_proj.weight", keys, hidden),
            Value = Prepare(attention + "v_proj.weight", keys, hidden),
            Output = Prepare(attention + "o_proj.weight", hidden, queries),
            QueryNorm = Vector(attention + "q_norm.weight", dimension),
            KeyNorm = Vector(attention + "k_norm.weight", dimension),
            PostAttentionNorm = Vector(prefix + "post_attention_layernorm.weight", hidden),
            Router = router,
            GateUp = gateUp,
            Down = down,
        };
    }

    private (WeightMatrix GateUp, WeightMatrix Down) LoadMlp(string prefix, int intermediate)
    {
        using WeightMatrix gate = source.OpenMatrix(prefix + "gate_proj.weight", intermediate, configuration.HiddenSize);
        using WeightMatrix up = source.OpenMatrix(prefix + "up_proj.weight", intermediate, configuration.HiddenSize);
        return (kernels.Prepare([gate, up]), Prepare(prefix + "down_proj.weight", configuration.HiddenSize, intermediate));
    }

    private Tensor Vector(string name, int length) => kernels.PrepareVector(source.OpenVector(name, length));

    private WeightMatrix Prepare(string name, int rows, int columns)
    {
        using WeightMatrix matrix = source.OpenMatrix(name, rows, columns);
        return kernels.Prepare([matrix]);
    }
}
