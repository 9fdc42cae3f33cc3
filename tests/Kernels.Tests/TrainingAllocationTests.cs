using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class TrainingAllocationTests
{
    [Fact]
    public void A_backward_pass_allocates_nothing_once_its_shapes_have_been_seen()
    {
        using WorkerPool pool = new(2);
        ITrainingKernels kernels = SimdKernels.Create(pool);
        const int Rows = 300, Width = 48, Experts = 6, Slots = 2, Pairs = Rows * Slots, Heads = 3;
        Random random = new(1);
        Tensor Wide() => kernels.Input(new Shape(Rows, Width), random.Random(Rows * Width));
        Tensor x = Wide(), dy = Wide(), dx = Wide(), other = Wide(), half = kernels.Zeros(new Shape(Rows, Width / 2)), second = kernels.Zeros(new Shape(Rows, Width / 2));
        Tensor weight = Activations.Singles(new Shape(Width), random.Random(Width)), dWeight = kernels.Zeros(new Shape(Width)), dMatrix = kernels.Zeros(new Shape(Width, Width));
        Tensor logits = kernels.Input(new Shape(Rows, Experts), random.Random(Rows * Experts)), p = kernels.Zeros(logits.Shape), dLogits = kernels.Zeros(logits.Shape);
        Tensor weights = kernels.Zeros(new Shape(Rows, Slots)), dWeights = kernels.Zeros(weights.Shape), lse = kernels.Zeros(new Shape(Rows)), losses = kernels.Zeros(new Shape(2));
        Tensor chosen = Activations.Integers(weights.Shape), offsets = Activations.Integers(new Shape(Experts + 1)), counts = Activations.Integers(new Shape(Experts), new int[Experts]);
        Tensor order = Activations.Integers(new Shape(Pairs)), place = Activations.Integers(new Shape(Pairs)), targets = Activations.Integers(new Shape(Rows), new int[Rows]);
        Tensor results = kernels.Zeros(new Shape(Pairs, Width)), dResults = kernels.Zeros(results.Shape), rowLosses = kernels.Zeros(new Shape(Rows));
        Tensor headLse = kernels.Zeros(new Shape(Rows, Heads)), angles = kernels.Zeros(new Shape(Rows, 16));
        WeightMatrix w = WeightMatrix.RowMajor("w", kernels.Input(new Shape(Width, Width), random.Random(Width * Width)));
        WeightMatrix[] experts = [.. Enumerable.Repeat(w, Experts)];
        Tensor[] dExperts = [.. Enumerable.Repeat(dMatrix, Experts)];
        using KvLayer cache = new(Heads, 16, DType.BF16, Rows);
        SequenceRows all = new(0, Rows, 0);
        kernels.AppendKeyValues(x, x, all, cache);
        kernels.Attention(x, all, cache, new AttentionParameters(Heads, 100, 0.25f), other, headLse);
        kernels.Route(logits, Slots, true, p, chosen, weights);
        kernels.Dispatch(chosen, offsets, order, place);

        ProductAllocationTests.AssertNothingAllocated(() =>
        {
            kernels.MatMulBackwardInput(dy, w, dx);
            kernels.MatMulBackwardWeight(dy, x, dMatrix);
            kernels.GroupedMatMulBackwardInput(results, offsets, experts, dResults);
            kernels.GroupedMatMulBackwardWeight(results, x, order, Slots, offsets, dExperts);
            kernels.RmsNormBackward(x, weight, 1e-6f, dy, dx, dWeight);
            kernels.RopeBackward(dy, angles, dx);
            kernels.SwiGluBackward(x, half, dx);
            kernels.EmbedBackward(targets, dy, dMatrix);
            kernels.Accumulate(dy, dx);
            kernels.CopyRowsBackward(dy, 0, dx);
            kernels.ConcatenateBackward(dy, half, second);
            kernels.CombineBackward(results, place, weights, dy, dResults, dWeights);
            kernels.GatherBackward(dResults, place, Slots, dx);
            kernels.RouteBackward(p, chosen, weights, true, dWeights, dLogits);
            kernels.CountLoads(offsets, counts);
            kernels.RouterLosses(p, lse, counts, 1, 1, losses, dLogits);
            kernels.HeadCrossEntropy(x, w, targets, new CrossEntropyParameters(1, 1), losses, rowLosses, lse, dx, dMatrix);
            kernels.AttentionBackward(x, all, cache, new AttentionParameters(Heads, 100, 0.25f), other, headLse, dy, dx, dx, dx);
        });
    }
}
