using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Training;

/// <summary>Kernels that compute nothing: the model runs on them to see which tensors it asks for.</summary>
internal sealed class PlanningKernels : ITrainingKernels
{
    public DType ActivationType => DType.F32;

    public string Description => "no computation";

    public WeightMatrix Prepare(ReadOnlySpan<WeightMatrix> parts) => SimdKernels.PlanPanels(parts);

    public WeightMatrix PrepareEmbedding(WeightMatrix table) => WeightMatrix.RowMajor(
        table.Name, Tensor.WithoutMemory(table.Format, table.Data.Shape),
        table.Scales is { } scales ? scales with { Values = Tensor.WithoutMemory(DType.F32, scales.Values.Shape) } : null);

    public void Embed(Tensor ids, WeightMatrix table, Tensor y) { }

    public void EmbedBackward(Tensor ids, Tensor dy, Tensor dTable) { }

    public void MatMul(Tensor x, WeightMatrix w, Tensor y) { }

    public void MatMulBackwardInput(Tensor dy, WeightMatrix w, Tensor dx) { }

    public void MatMulBackwardWeight(Tensor dy, Tensor x, Tensor dw) { }

    public void GroupedMatMul(Tensor x, Tensor? order, int slots, Tensor offsets, WeightMatrix[] experts, Tensor y) { }

    public void GroupedMatMulBackwardInput(Tensor dy, Tensor offsets, WeightMatrix[] experts, Tensor dx) { }

    public void GroupedMatMulBackwardWeight(Tensor dy, Tensor x, Tensor? order, int slots, Tensor offsets, Tensor[] dw) { }

    public void RoundToBFloat16(Tensor x, Tensor y) { }

    public void RoundToFloat8(Tensor x, Tensor? order, int slots, Tensor offsets, DType format, Tensor y, Tensor inverses) { }

    public void ScaleSegments(Tensor y, Tensor offsets, Tensor a, Tensor b) { }

    public void AddScaledSegments(Tensor x, Tensor a, Tensor b, int first, ReadOnlySpan<Tensor> sums) { }

    public void RmsNorm(Tensor x, Tensor weight, float epsilon, Tensor y) { }

    public void RmsNormBackward(Tensor x, Tensor weight, float epsilon, Tensor dy, Tensor dx, Tensor dw) { }

    public void RopeTable(Tensor positions, RopeParameters parameters, Tensor table) { }

    public void Rope(Tensor x, Tensor table, Tensor y) { }

    public void RopeBackward(Tensor dy, Tensor table, Tensor dx) { }

    public void AppendKeyValues(Tensor k, Tensor v, SequenceRows rows, KvLayer cache) { }

    public void Attention(Tensor q, SequenceRows rows, KvLayer cache, AttentionParameters parameters, Tensor output, Tensor? logSumExp = null) { }

    public void AttentionBackward(
        Tensor q, SequenceRows rows, KvLayer cache, AttentionParameters parameters, Tensor output, Tensor logSumExp, Tensor dOutput,
        Tensor dq, Tensor dk, Tensor dv)
    {
    }

    public void Route(Tensor logits, int k, bool renormalize, Tensor probabilities, Tensor experts, Tensor weights, Tensor? bias = null) { }

    public void RouteBackward(Tensor probabilities, Tensor experts, Tensor weights, bool renormalize, Tensor dWeights, Tensor dLogits) { }

    public void CountLoads(Tensor offsets, Tensor counts) { }

    public void RouterLosses(Tensor probabilities, Tensor lse, Tensor counts, float balance, float zLoss, Tensor losses, Tensor dLogits) { }

    public void Dispatch(Tensor experts, Tensor offsets, Tensor order, Tensor place) { }

    public void Combine(Tensor rows, Tensor place, Tensor weights, Tensor y) { }

    public void CombineBackward(Tensor rows, Tensor place, Tensor weights, Tensor dy, Tensor dRows, Tensor dWeights) { }

    public void GatherBackward(Tensor dRows, Tensor place, int slots, Tensor dx) { }

    public void SwiGlu(Tensor gateUp, Tensor y) { }

    public void SwiGluBackward(Tensor gateUp, Tensor dy, Tensor dGateUp) { }

    public void Add(Tensor a, Tensor b, Tensor y) { }

    public void Accumulate(Tensor x, Tensor sum) { }

    public void CopyRows(Tensor x, int firstRow, Tensor y) { }

    public void CopyRowsBackward(Tensor dy, int firstRow, Tensor dx) { }

    public void Concatenate(Tensor a, Tensor b, Tensor y) { }

    public void ConcatenateBackward(Tensor dy, Tensor da, Tensor db) { }

    public void LogSumExp(Tensor logits, Tensor lse) { }

    public void ArgMax(Tensor logits, Tensor ids) { }

    public void Advance(Tensor counters, int count) { }

    public void TopCandidates(Tensor logits, int k, Tensor values, Tensor numbers) { }

    public void TakeOut(Tensor row, Tensor ids, Tensor taken) { }

    public void CrossEntropy(
        Tensor logits, Tensor targets, CrossEntropyParameters parameters, Tensor losses, Tensor rowLosses, Tensor lse, Tensor? dLogits)
    {
    }

    public void HeadCrossEntropy(
        Tensor states, WeightMatrix head, Tensor targets, CrossEntropyParameters parameters, Tensor losses, Tensor rowLosses, Tensor lse,
        Tensor? dStates, Tensor? dHead, Tensor? correct = null)
    {
    }
}
