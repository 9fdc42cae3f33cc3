using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model.Tests;

/// <summary>One pass over a prompt with everything a tap can see.</summary>
internal sealed class ForwardRun : ForwardTap
{
    public Dictionary<int, float[]> Layers { get; } = [];

    public Dictionary<int, (float[] Probabilities, int[] Experts, float[] Weights)> Routers { get; } = [];

    public float[] NormedStates { get; private set; } = [];

    public float[] LogitValues { get; private set; } = [];

    public float[] MtpStates { get; private set; } = [];

    public float[] MtpLogits { get; private set; } = [];

    /// <summary>Runs the trunk over the prompt, and the MTP head over all rows whose next token is known.</summary>
    public static ForwardRun Of(MellumModel model, ReadOnlySpan<int> ids)
    {
        ForwardRun run = new();
        using KvCache cache = new(new CachePlan(model.Configuration, model.CacheFormat, ids.Length + 1, ids.Length + 1, model.HasMtp));
        ForwardBatch batch = new();
        batch.Add(cache, 0, ids);
        model.Context.Tap = run;
        Tensor states = model.Trunk(batch, wantBeforeNorm: true, out Tensor? before);
        Tensor logits = model.Logits(states, 0, ids.Length);
        run.LogitValues = TestModels.Values(logits);
        model.Context.Tap = null;
        if (model.HasMtp && ids.Length > 1)
        {
            Tensor source = model.Configuration.MtpTakesNormedState ? states : before!;
            Tensor rows = model.Context.Workspace.Rent(source.Type, new Shape(ids.Length - 1, source.Columns));
            model.Context.Kernels.CopyRows(source, 0, rows);
            batch.Clear();
            batch.Add(cache, 0, ids[1..]);
            Tensor mtp = model.Mtp(batch, rows);
            Tensor mtpLogits = model.Logits(mtp, 0, ids.Length - 1);
            run.MtpStates = TestModels.Values(mtp);
            run.MtpLogits = TestModels.Values(mtpLogits);
            foreach (Tensor tensor in (Tensor[])[rows, mtp, mtpLogits])
                model.Context.Workspace.Release(tensor);
        }
        foreach (Tensor tensor in (Tensor[])[states, before!, logits])
            model.Context.Workspace.Release(tensor);
        return run;
    }

    public override void Residual(int layer, Tensor stream) => Layers[layer] = TestModels.Values(stream);

    public override void Routed(int layer, Tensor probabilities, Tensor experts, Tensor weights) =>
        Routers[layer] = (TestModels.Values(probabilities), experts.Span<int>().ToArray(), TestModels.Values(weights));

    public override void Normed(Tensor states) => NormedStates = TestModels.Values(states);
}
