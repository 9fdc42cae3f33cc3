using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Bench;

/// <summary>
/// A back end that notes how long every operation takes, and how many floating-point operations its products are. Attention
/// counts the visible pairs alone, 4 forward and 8 backward for each and dimension, whatever is computed twice.
/// </summary>
/// <param name="kernels">What computes.</param>
/// <param name="times">Where the notes go.</param>
internal sealed unsafe partial class TimedKernels(ITrainingKernels kernels, OperationTimes times) : ITrainingKernels, IOptimizerKernels
{
    private readonly IOptimizerKernels _optimizer = (IOptimizerKernels)kernels;

    public DType ActivationType => kernels.ActivationType;

    public string Description => kernels.Description;

    public WeightMatrix Prepare(ReadOnlySpan<WeightMatrix> parts) => kernels.Prepare(parts);

    public WeightMatrix PrepareEmbedding(WeightMatrix table) => kernels.PrepareEmbedding(table);

    public void MatMul(Tensor x, WeightMatrix w, Tensor y)
    {
        double start = BenchClock.Seconds();
        kernels.MatMul(x, w, y);
        times.Add("product, forward", start, 2.0 * x.Rows * w.Rows * w.Columns);
    }

    public void GroupedMatMul(Tensor x, Tensor? order, int slots, Tensor offsets, WeightMatrix[] experts, Tensor y)
    {
        double start = BenchClock.Seconds();
        kernels.GroupedMatMul(x, order, slots, offsets, experts, y);
        times.Add("grouped product, forward", start, 2.0 * Last(offsets) * experts[0].Rows * experts[0].Columns);
    }

    public void SwiGlu(Tensor gateUp, Tensor y)
    {
        double start = BenchClock.Seconds();
        kernels.SwiGlu(gateUp, y);
        times.Add("SwiGLU, forward", start);
    }

    public void Add(Tensor a, Tensor b, Tensor y)
    {
        double start = BenchClock.Seconds();
        kernels.Add(a, b, y);
        times.Add("add", start);
    }

    public void CopyRows(Tensor x, int firstRow, Tensor y)
    {
        double start = BenchClock.Seconds();
        kernels.CopyRows(x, firstRow, y);
        times.Add("copy", start);
    }

    public void Concatenate(Tensor a, Tensor b, Tensor y)
    {
        double start = BenchClock.Seconds();
        kernels.Concatenate(a, b, y);
        times.Add("copy", start);
    }

    public void Dispatch(Tensor experts, Tensor offsets, Tensor order, Tensor place)
    {
        double start = BenchClock.Seconds();
        kernels.Dispatch(experts, offsets, order, place);
        times.Add("dispatch", start);
    }

    public void Combine(Tensor rows, Tensor place, Tensor weights, Tensor y)
    {
        double start = BenchClock.Seconds();
        kernels.Combine(rows, place, weights, y);
        times.Add("combine, forward", start);
    }

    public void Route(Tensor logits, int k, bool renormalize, Tensor probabilities, Tensor experts, Tensor weights, Tensor? bias = null)
    {
        double start = BenchClock.Seconds();
        kernels.Route(logits, k, renormalize, probabilities, experts, weights, bias);
        times.Add("router, forward", start);
    }

    public void Embed(Tensor ids, WeightMatrix table, Tensor y)
    {
        double start = BenchClock.Seconds();
        kernels.Embed(ids, table, y);
        times.Add("embedding", start);
    }

    public void AppendKeyValues(Tensor k, Tensor v, SequenceRows rows, KvLayer cache)
    {
        double start = BenchClock.Seconds();
        kernels.AppendKeyValues(k, v, rows, cache);
        times.Add("keys and values", start);
    }

    public void Attention(
        Tensor q, SequenceRows rows, KvLayer cache, AttentionParameters parameters, Tensor output, Tensor? logSumExp = null)
    {
        double start = BenchClock.Seconds();
        kernels.Attention(q, rows, cache, parameters, output, logSumExp);
        times.Add("attention, forward", start, 4 * Pairs(rows, parameters) * cache.Dimension);
    }

    public void RopeTable(Tensor positions, RopeParameters parameters, Tensor table)
    {
        double start = BenchClock.Seconds();
        kernels.RopeTable(positions, parameters, table);
        times.Add("rotary table", start);
    }

    public void Rope(Tensor x, Tensor table, Tensor y)
    {
        double start = BenchClock.Seconds();
        kernels.Rope(x, table, y);
        times.Add("rotary, forward", start);
    }

    public void ArgMax(Tensor logits, Tensor ids) => kernels.ArgMax(logits, ids);

    public void Advance(Tensor counters, int count) => kernels.Advance(counters, count);

    public void TopCandidates(Tensor logits, int k, Tensor values, Tensor numbers) => kernels.TopCandidates(logits, k, values, numbers);

    public void TakeOut(Tensor row, Tensor ids, Tensor taken) => kernels.TakeOut(row, ids, taken);

    public void LogSumExp(Tensor logits, Tensor lse)
    {
        double start = BenchClock.Seconds();
        kernels.LogSumExp(logits, lse);
        times.Add("log-sum-exp", start);
    }

    public void RmsNorm(Tensor x, Tensor weight, float epsilon, Tensor y)
    {
        double start = BenchClock.Seconds();
        kernels.RmsNorm(x, weight, epsilon, y);
        times.Add("norm, forward", start);
    }

    private static int Last(Tensor offsets) => offsets.Pointer<int>()[offsets.Count - 1];

    // Visible (query, key) pairs of all heads.
    private static double Pairs(SequenceRows rows, AttentionParameters parameters)
    {
        double pairs = 0;
        for (int p = rows.Position + 1; p <= rows.Position + rows.Count; p++)
            pairs += parameters.Window == 0 ? p : Math.Min(parameters.Window, p);
        return pairs * parameters.QueryHeads;
    }
}
