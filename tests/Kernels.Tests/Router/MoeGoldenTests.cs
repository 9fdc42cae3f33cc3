using Mellum2.Managed.Engine;
using Mellum2.Managed.Tests;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class MoeGoldenTests
{
    [Theory]
    [MemberData(nameof(BackEnds.WithGoldens), "moe", MemberType = typeof(BackEnds))]
    public void Choice_and_dispatch_agree(string backEnd, string name)
    {
        IForwardKernels kernels = BackEnds.Get(backEnd);
        GoldenCase golden = GoldenManifest.Numerics("moe")[name];
        int k = golden.Integer("k");
        GoldenTensor given = golden.Has("logits") ? golden["logits"] : golden["probs"];
        int rows = given.Shape[0], experts = given.Shape[1];
        // The cases of selection alone give probabilities: their logarithms are logits of them.
        float[] logits = golden.Has("logits") ? given.Singles() : [.. given.Singles().Select(p => (float)Math.Log(p))];
        (double[] probabilities, double[] chosen, double[] weights) = RouterTests.Run(kernels, rows, experts, k, true, logits);
        golden["topk_ids"].CheckCodes<int>([.. chosen.Select(e => (int)e)]);
        golden["weights"].Check(weights);
        if (!golden.Has("logits"))
            return;
        golden["probs"].Check(probabilities);

        using Tensor pairs = kernels.Integers(new Shape(rows, k), [.. chosen.Select(e => (int)e)]);
        using Tensor offsets = kernels.Integers(new Shape(experts + 1));
        using Tensor order = kernels.Integers(new Shape(rows * k)), place = kernels.Integers(new Shape(rows * k));
        kernels.Dispatch(pairs, offsets, order, place);
        int[] bounds = offsets.ReadIntegers();
        golden["offsets"].CheckCodes<int>(bounds);
        golden["counts"].CheckCodes<int>([.. Enumerable.Range(0, experts).Select(e => bounds[e + 1] - bounds[e])]);
        golden["sort_order"].CheckCodes<int>(order.ReadIntegers());
        golden["sort_pos"].CheckCodes<int>(place.ReadIntegers());

        using Tensor x = kernels.Input(new Shape(rows, experts), logits), lse = kernels.Output(new Shape(rows));
        kernels.LogSumExp(x, lse);
        golden["lse"].Check(lse.Read());
    }

    public static IEnumerable<object[]> Layers => BackEnds.WithGoldens("moe")
        .Where(pair => GoldenManifest.Numerics("moe")[(string)pair[1]].Has("out"));

    [Theory]
    [MemberData(nameof(Layers))]
    public void The_whole_layer_agrees(string backEnd, string name)
    {
        IForwardKernels kernels = BackEnds.Get(backEnd);
        GoldenCase golden = GoldenManifest.Numerics("moe")[name];
        int k = golden.Integer("k"), rows = golden["x"].Shape[0], hidden = golden["x"].Shape[1];
        int count = golden["wg"].Shape[0], inner = golden["wg"].Shape[1], pairs = rows * k;
        using WeightMatrix router = Matrix(kernels, golden["wr"], 0, count, hidden);
        WeightMatrix[] gateUp = [.. Enumerable.Range(0, count).Select(e => Stack(kernels, golden["wg"], golden["wu"], e, inner, hidden))];
        WeightMatrix[] down = [.. Enumerable.Range(0, count).Select(e => Matrix(kernels, golden["wd"], e, hidden, inner))];

        kernels.Gather(gateUp);
        kernels.Gather(down);
        using Tensor x = kernels.Input(new Shape(rows, hidden), golden["x"].Singles());
        using Tensor logits = kernels.Output(new Shape(rows, count)), probabilities = kernels.Output(new Shape(rows, count));
        using Tensor weights = kernels.Output(new Shape(rows, k)), y = kernels.Output(new Shape(rows, hidden));
        using Tensor chosen = kernels.Integers(new Shape(rows, k)), offsets = kernels.Integers(new Shape(count + 1));
        using Tensor order = kernels.Integers(new Shape(pairs)), place = kernels.Integers(new Shape(pairs));
        using Tensor both = kernels.Output(new Shape(pairs, 2 * inner)), activated = kernels.Output(new Shape(pairs, inner));
        using Tensor results = kernels.Output(new Shape(pairs, hidden));
        kernels.MatMul(x, router, logits);
        kernels.Route(logits, k, true, probabilities, chosen, weights);
        kernels.Dispatch(chosen, offsets, order, place);
        kernels.GroupedMatMul(x, order, k, offsets, gateUp, both);
        kernels.SwiGlu(both, activated);
        kernels.GroupedMatMul(activated, null, 1, offsets, down, results);
        kernels.Combine(results, place, weights, y);
        golden["logits"].Check(logits.Read());
        golden["topk_ids"].CheckCodes<int>(chosen.ReadIntegers());
        golden["out"].Check(y.Read());
        foreach (WeightMatrix matrix in gateUp.Concat(down))
            matrix.Dispose();
    }

    private static WeightMatrix Raw(GoldenTensor stored, int expert, int rows, int columns) => WeightMatrix.RowMajor(
        stored.Name, Tensor.From(DType.F32, new Shape(rows, columns), stored.Span<float>().Slice(expert * rows * columns, rows * columns)));

    private static WeightMatrix Matrix(IForwardKernels kernels, GoldenTensor stored, int expert, int rows, int columns)
    {
        using WeightMatrix part = Raw(stored, expert, rows, columns);
        return kernels.Prepare([part]);
    }

    private static WeightMatrix Stack(IForwardKernels kernels, GoldenTensor gate, GoldenTensor up, int expert, int rows, int columns)
    {
        using WeightMatrix first = Raw(gate, expert, rows, columns), second = Raw(up, expert, rows, columns);
        return kernels.Prepare([first, second]);
    }
}
