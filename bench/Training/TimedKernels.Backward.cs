using System.Diagnostics;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Bench;

internal sealed unsafe partial class TimedKernels
{
    public void MatMulBackwardInput(Tensor dy, WeightMatrix w, Tensor dx)
    {
        long start = Stopwatch.GetTimestamp();
        kernels.MatMulBackwardInput(dy, w, dx);
        times.Add("product, dx", start, 2.0 * dy.Rows * w.Rows * w.Columns);
    }

    public void MatMulBackwardWeight(Tensor dy, Tensor x, Tensor dw)
    {
        long start = Stopwatch.GetTimestamp();
        kernels.MatMulBackwardWeight(dy, x, dw);
        times.Add("product, dw", start, 2.0 * dy.Rows * dy.Columns * x.Columns);
    }

    public void GroupedMatMulBackwardInput(Tensor dy, Tensor offsets, WeightMatrix[] experts, Tensor dx)
    {
        long start = Stopwatch.GetTimestamp();
        kernels.GroupedMatMulBackwardInput(dy, offsets, experts, dx);
        times.Add("grouped product, dx", start, 2.0 * Last(offsets) * experts[0].Rows * experts[0].Columns);
    }

    public void GroupedMatMulBackwardWeight(Tensor dy, Tensor x, Tensor? order, int slots, Tensor offsets, Tensor[] dw)
    {
        long start = Stopwatch.GetTimestamp();
        kernels.GroupedMatMulBackwardWeight(dy, x, order, slots, offsets, dw);
        times.Add("grouped product, dw", start, 2.0 * Last(offsets) * dy.Columns * x.Columns);
    }

    public void SwiGluBackward(Tensor gateUp, Tensor dy, Tensor dGateUp)
    {
        long start = Stopwatch.GetTimestamp();
        kernels.SwiGluBackward(gateUp, dy, dGateUp);
        times.Add("SwiGLU, backward", start);
    }

    public void Accumulate(Tensor x, Tensor sum)
    {
        long start = Stopwatch.GetTimestamp();
        kernels.Accumulate(x, sum);
        times.Add("add", start);
    }

    public void CopyRowsBackward(Tensor dy, int firstRow, Tensor dx)
    {
        long start = Stopwatch.GetTimestamp();
        kernels.CopyRowsBackward(dy, firstRow, dx);
        times.Add("copy", start);
    }

    public void ConcatenateBackward(Tensor dy, Tensor da, Tensor db)
    {
        long start = Stopwatch.GetTimestamp();
        kernels.ConcatenateBackward(dy, da, db);
        times.Add("copy", start);
    }

    public void CombineBackward(Tensor rows, Tensor place, Tensor weights, Tensor dy, Tensor dRows, Tensor dWeights)
    {
        long start = Stopwatch.GetTimestamp();
        kernels.CombineBackward(rows, place, weights, dy, dRows, dWeights);
        times.Add("combine, backward", start);
    }

    public void GatherBackward(Tensor dRows, Tensor place, int slots, Tensor dx)
    {
        long start = Stopwatch.GetTimestamp();
        kernels.GatherBackward(dRows, place, slots, dx);
        times.Add("gather, backward", start);
    }

    public void RouteBackward(Tensor probabilities, Tensor experts, Tensor weights, bool renormalize, Tensor dWeights, Tensor dLogits)
    {
        long start = Stopwatch.GetTimestamp();
        kernels.RouteBackward(probabilities, experts, weights, renormalize, dWeights, dLogits);
        times.Add("router, backward", start);
    }

    public void CountLoads(Tensor offsets, Tensor counts)
    {
        long start = Stopwatch.GetTimestamp();
        kernels.CountLoads(offsets, counts);
        times.Add("router, backward", start);
    }

    public void RouterLosses(Tensor probabilities, Tensor lse, Tensor counts, float balance, float zLoss, Tensor losses, Tensor dLogits)
    {
        long start = Stopwatch.GetTimestamp();
        kernels.RouterLosses(probabilities, lse, counts, balance, zLoss, losses, dLogits);
        times.Add("router, backward", start);
    }

    public void EmbedBackward(Tensor ids, Tensor dy, Tensor dTable)
    {
        long start = Stopwatch.GetTimestamp();
        kernels.EmbedBackward(ids, dy, dTable);
        times.Add("embedding", start);
    }

    public void AttentionBackward(
        Tensor q, SequenceRows rows, KvLayer cache, AttentionParameters parameters, Tensor output, Tensor logSumExp, Tensor dOutput, Tensor dq, Tensor dk, Tensor dv)
    {
        long start = Stopwatch.GetTimestamp();
        kernels.AttentionBackward(q, rows, cache, parameters, output, logSumExp, dOutput, dq, dk, dv);
        times.Add("attention, backward", start, 8 * Pairs(rows, parameters) * cache.Dimension);
    }

    public void RopeBackward(Tensor dy, Tensor table, Tensor dx)
    {
        long start = Stopwatch.GetTimestamp();
        kernels.RopeBackward(dy, table, dx);
        times.Add("rotary, backward", start);
    }

    public void CrossEntropy(
        Tensor logits, Tensor targets, CrossEntropyParameters parameters, Tensor losses, Tensor rowLosses, Tensor lse, Tensor? dLogits)
    {
        long start = Stopwatch.GetTimestamp();
        kernels.CrossEntropy(logits, targets, parameters, losses, rowLosses, lse, dLogits);
        times.Add("cross-entropy", start);
    }

    public void HeadCrossEntropy(
        Tensor states, WeightMatrix head, Tensor targets, CrossEntropyParameters parameters, Tensor losses, Tensor rowLosses, Tensor lse, Tensor? dStates, Tensor? dHead,
        Tensor? correct = null)
    {
        long start = Stopwatch.GetTimestamp();
        kernels.HeadCrossEntropy(states, head, targets, parameters, losses, rowLosses, lse, dStates, dHead, correct);
        times.Add("head and cross-entropy", start, 2.0 * states.Rows * head.Rows * head.Columns * (1 + (dStates is null ? 0 : 1) + (dHead is null ? 0 : 1)));
    }

    public void RmsNormBackward(Tensor x, Tensor weight, float epsilon, Tensor dy, Tensor dx, Tensor dw)
    {
        long start = Stopwatch.GetTimestamp();
        kernels.RmsNormBackward(x, weight, epsilon, dy, dx, dw);
        times.Add("norm, backward", start);
    }

    public void RoundToFloat8(Tensor x, Tensor? order, int slots, Tensor offsets, DType format, Tensor y, Tensor inverses)
    {
        long start = Stopwatch.GetTimestamp();
        kernels.RoundToFloat8(x, order, slots, offsets, format, y, inverses);
        times.Add("rounding", start);
    }

    public void ScaleSegments(Tensor y, Tensor offsets, Tensor a, Tensor b)
    {
        long start = Stopwatch.GetTimestamp();
        kernels.ScaleSegments(y, offsets, a, b);
        times.Add("rounding", start);
    }

    public void AddScaledSegments(Tensor x, Tensor a, Tensor b, int first, ReadOnlySpan<Tensor> sums)
    {
        long start = Stopwatch.GetTimestamp();
        kernels.AddScaledSegments(x, a, b, first, sums);
        times.Add("rounding", start);
    }
}
