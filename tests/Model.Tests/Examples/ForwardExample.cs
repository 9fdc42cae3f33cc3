using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model.Tests.Examples;

internal static class ForwardExample
{
    public static float Run(string folder)
    {
        // <example name="forward">
        using Mellum mellum = Mellum.Load(folder);
        MellumModel model = mellum.Model;
        int[] ids = mellum.Tokenizer.Encode("namespace Orleans.Runtime;");
        using KvCache cache = new(new CachePlan(model.Configuration, model.CacheFormat, Context: 64, Chunk: 64, model.HasMtp));
        ForwardBatch batch = new();
        batch.Add(cache, position: 0, ids);
        Tensor states = model.Trunk(batch, wantBeforeNorm: false, out _);
        Tensor logits = model.Logits(states, firstRow: 0, count: ids.Length);
        float loss = 0;
        for (int i = 0; i + 1 < ids.Length; i++)
            loss -= model.LogProbability(logits, row: i, token: ids[i + 1]) / (ids.Length - 1);
        model.Context.Workspace.Release(logits);
        model.Context.Workspace.Release(states);
        // </example>
        return loss;
    }
}
