using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Bench;

/// <summary>
/// What it costs to verify M tokens in one pass of the released shape relative to one token, for routing that is
/// independent from token to token and for routing that keeps half of the experts; and the speed-up that follows for a
/// given acceptance. The speed-up is a model, not a measurement: there is no trained head of that size, and the time of all
/// 28 layers is extrapolated from the measured layers and the head apart.
/// </summary>
internal static class VerifyBench
{
    private const int Most = 6;
    private const int AllLayers = 28;

    /// <summary><c>--layers n --dtype fp8|bf16 --context n --rounds n --threads n</c> are understood.</summary>
    public static void Run(string[] args)
    {
        int layers = GemmBench.Option(args, "--layers", 8), context = GemmBench.Option(args, "--context", 256);
        DType format = BenchModel.ParseFormat(args, DType.F8E4M3);
        int threads = GemmBench.Option(args, "--threads", 0), rounds = GemmBench.Option(args, "--rounds", 9);
        using BenchModel model = new(layers, format, threads, withMtp: true);
        using KvCache cache = new(new CachePlan(model.Configuration, model.Model.CacheFormat, context + 64, context, WithMtp: true));
        ForwardBatch batch = new();
        Pass(model, cache, batch, context);
        foreach ((string name, double kept) in ((string, double)[])[("independent", 0), ("half of the experts kept", 0.5)])
        {
            model.Model.Context.Tap = new RoutingTap(model.Configuration.ExpertsPerToken, kept);
            Rival[] rivals =
            [
                .. Enumerable.Range(1, Most).Select(m => new Rival($"M = {m}", () => Pass(model, cache, batch, m))),
                .. Enumerable.Range(1, Most).Select(m => new Rival($"head, M = {m}", () => Head(model, m))),
                new Rival("draft", () => Draft(model, cache, batch)),
            ];
            Timing[] t = Harness.Measure(rounds, 0.2, 0, rivals);
            double Whole(int m) => t[Most + m - 1].Median + (t[m - 1].Median - t[Most + m - 1].Median) * AllLayers / layers;
            double draft = t[2 * Most].Median / Whole(1);
            ResultTable cost = new(
                $"Verifying M tokens, {layers} layers of the 12B shape, {format}, context {context}, routing {name}; a draft of the MTP head costs {draft:F3} of one token's pass through {AllLayers} layers",
                "M", "ms", "relative to M = 1", $"relative, {AllLayers} layers", "a = 0.5", "a = 0.6", "a = 0.7", "a = 0.8", "a = 0.9", "a = 0.95");
            for (int m = 1; m <= Most; m++)
            {
                double relative = Whole(m) / Whole(1);
                double SpeedUp(double a) => (1 - Math.Pow(a, m)) / (1 - a) / (relative + (m - 1) * draft);
                cost.Add(
                    $"{m}", t[m - 1].Median * 1e3, t[m - 1].Median / t[0].Median, relative,
                    SpeedUp(0.5), SpeedUp(0.6), SpeedUp(0.7), SpeedUp(0.8), SpeedUp(0.9), SpeedUp(0.95));
            }
            cost.Print(args);
        }
    }

    private static void Pass(BenchModel model, KvCache cache, ForwardBatch batch, int tokens)
    {
        int start = cache.Length;
        batch.Clear();
        batch.Add(cache, start, model.Prompt(tokens, start));
        Tensor states = model.Model.Trunk(batch, wantBeforeNorm: false, out _);
        Tensor logits = model.Model.Logits(states, Math.Max(0, tokens - Most), Math.Min(tokens, Most));
        model.Model.Context.Workspace.Release(logits);
        model.Model.Context.Workspace.Release(states);
        if (start > 0)
            cache.Truncate(start);
    }

    private static void Head(BenchModel model, int tokens)
    {
        Tensor states = model.Model.Context.Workspace.Rent(DType.F32, new Shape(tokens, model.Configuration.HiddenSize));
        states.Span<float>().Fill(0.5f);
        Tensor logits = model.Model.Logits(states, 0, tokens);
        model.Model.Context.Workspace.Release(logits);
        model.Model.Context.Workspace.Release(states);
    }

    private static void Draft(BenchModel model, KvCache cache, ForwardBatch batch)
    {
        Tensor state = model.Model.Context.Workspace.Rent(DType.F32, new Shape(1, model.Configuration.HiddenSize));
        state.Span<float>().Fill(0.5f);
        batch.Clear();
        batch.Add(cache, cache.Length - 1, [1]);
        Tensor next = model.Model.Mtp(batch, state);
        Tensor logits = model.Model.Logits(next, 0, 1);
        model.Model.Context.Workspace.Release(state);
        model.Model.Context.Workspace.Release(next);
        model.Model.Context.Workspace.Release(logits);
    }
}
