using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Bench;

internal sealed unsafe partial class TimedKernels
{
    public void MatMulBackwardInput(Tensor dy, WeightMatrix w, Tensor dx)
    {
        double start = BenchClock.Seconds();
        kernels.MatMulBackwardInput(dy, w, dx);
        times.Add("product, dx", start, 2.0 * dy.Rows * w.Rows * w.Columns);
    }

    public void MatMulBackwardWeight(Tensor dy, Tensor x, Tensor dw)
    {
        double start = BenchClock.Seconds();
        kernels.MatMulBackwardWeight(dy, x, dw);
        times.Add("product, dw", start, 2.0 * dy.Rows * dy.Columns * x.Columns);
    }

    public void GroupedMatMulBackwardInput(Tensor dy, Tensor offsets, WeightMatrix[] experts, Tensor dx)
    {
        double start = BenchClock.Seconds();
        kernels.GroupedMatMulBackwardInput(dy, offsets, experts, dx);
        times.Add("grouped product, dx", start, 2.0 * Last(offsets) * experts[0].Rows * experts[0].Columns);
    }

    public void GroupedMatMulBackwardWeight(Tensor dy, Tensor x, Tensor? order, int slots, Tensor offsets, Tensor[] dw)
    {
        double start = BenchClock.Seconds();
        kernels.GroupedMatMulBackwardWeight(dy, x, order, slots, offsets, dw);
        times.Add("grouped product, dw", start, 2.0 * Last(offsets) * dy.Columns * x.Columns);
    }

    public void SwiGluBackward(Tensor gateUp, Tensor dy, Tensor dGateUp)
    {
        double start = BenchClock.Seconds();
        kernels.SwiGluBackward(gateUp, dy, dGateUp);
        times.Add("SwiGLU, backward", start);
    }

    public void Accumulate(Tensor x, Tensor sum)
    {
        double start = BenchClock.Seconds();
        kernels.Accumulate(x, sum);
        times.Add("add", start);
    }

    public void CopyRowsBackward(Tensor dy, int firstRow, Tensor dx)
    {
        double start = BenchClock.Seconds();
        kernels.CopyRowsBackward(dy, firstRow, dx);
        times.Add("copy", start);
    }

    public void ConcatenateBackward(Tensor dy, Tensor da, Tensor db)
    {
        double start = BenchClock.Seconds();
        kernels.ConcatenateBackward(dy, da, db);
        times.Add("copy", start);
    }

    public void CombineBackward(Tensor rows, Tensor place, Tensor weights, Tensor dy, Tensor dRows, Tensor dWeights)
    {
        double start = BenchClock.Seconds();
        kernels.CombineBackward(rows, place, weights, dy, dRows, dWeights);
        times.Add("combine, backward", start);
    }

    public void GatherBackward(Tensor dRows, Tensor place, int slots, Tensor dx)
    {
        double start = BenchClock.Seconds();
        kernels.GatherBackward(dRows, place, slots, dx);
        times.Add("gather, backward", start);
    }

    public void RouteBackward(Tensor probabilities, Tensor experts, Tensor weights, bool renormalize, Tensor dWeights, Tensor dLogits)
    {
        double start = BenchClock.Seconds();
        kernels.RouteBackward(probabilities, experts, weights, renormalize, dWeights, dLogits);
        times.Add("router, backward", start);
    }

    public void CountLoads(Tensor offsets, Tensor counts)
    {
        double start = BenchClock.Seconds();
        kernels.CountLoads(offsets, counts);
        times.Add("router, backward", start);
    }

    public void RouterLosses(Tensor probabilities, Tensor lse, Tensor counts, float balance, float zLoss, Tensor losses, Tensor dLogits)
    {
        double start = BenchClock.Seconds();
        kernels.RouterLosses(probabilities, lse, counts, balance, zLoss, losses, dLogits);
        times.Add("router, backward", start);
    }

    public void EmbedBackward(Tensor ids, Tensor dy, Tensor dTable)
    {
        double start = BenchClock.Seconds();
        kernels.EmbedBackward(ids, dy, dTable);
        times.Add("embedding", start);
    }

    public void AttentionBackward(
        Tensor q, SequenceRows rows, KvLayer cache, AttentionParameters parameters, Tensor output, Tensor logSumExp, Tensor dOutput, Tensor dq, Tensor dk, Tensor dv)
    {
        double start = BenchClock.Seconds();
        kernels.AttentionBackward(q, rows, cache, parameters, output, logSumExp, dOutput, dq, dk, dv);
        times.Add("attention, backward", start, 8 * Pairs(rows, parameters) * cache.Dimension);
    }

    public void RopeBackward(Tensor dy, Tensor table, Tensor dx)
    {
        double start = BenchClock.Seconds();
        kernels.RopeBackward(dy, table, dx);
        times.Add("rotary, backward", start);
    }

    public void CrossEntropy(
        Tensor logits, Tensor targets, CrossEntropyParameters parameters, Tensor losses, Tensor rowLosses, Tensor lse, Tensor? dLogits)
    {
        double start = BenchClock.Seconds();
        kernels.CrossEntropy(logits, targets, parameters, losses, rowLosses, lse, dLogits);
        times.Add("cross-entropy", start);
    }

    public void HeadCrossEntropy(
        Tensor states, WeightMatrix head, Tensor targets, CrossEntropyParameters parameters, Tensor losses, Tensor rowLosses, Tensor lse, Tensor? dStates, Tensor? dHead,
        Tensor? correct = null)
    {
        double start = BenchClock.Seconds();
        kernels.HeadCrossEntropy(states, head, targets, parameters, losses, rowLosses, lse, dStates, dHead, correct);
        times.Add("head and cross-entropy", start, 2.0 * states.Rows * head.Rows * head.Columns * (1 + (dStates is null ? 0 : 1) + (dHead is null ? 0 : 1)));
    }

    public void RmsNormBackward(Tensor x, Tensor weight, float epsilon, Tensor dy, Tensor dx, Tensor dw)
    {
        double start = BenchClock.Seconds();
        kernels.RmsNormBackward(x, weight, epsilon, dy, dx, dw);
        times.Add("norm, backward", start);
    }

    public void RoundToFloat8(Tensor x, Tensor? order, int slots, Tensor offsets, DType format, Tensor y, Tensor inverses)
    {
        double start = BenchClock.Seconds();
        kernels.RoundToFloat8(x, order, slots, offsets, format, y, inverses);
        times.Add("rounding", start);
    }

    public void ScaleSegments(Tensor y, Tensor offsets, Tensor a, Tensor b)
    {
        double start = BenchClock.Seconds();
        kernels.ScaleSegments(y, offsets, a, b);
        times.Add("rounding", start);
    }

    public void AddScaledSegments(Tensor x, Tensor a, Tensor b, int first, ReadOnlySpan<Tensor> sums)
    {
        double start = BenchClock.Seconds();
        kernels.AddScaledSegments(x, a, b, first, sums);
        times.Add("rounding", start);
    }
}
