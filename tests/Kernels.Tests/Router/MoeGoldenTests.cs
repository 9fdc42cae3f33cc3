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

        using Tensor pairs = Activations.Integers(new Shape(rows, k), [.. chosen.Select(e => (int)e)]);
        using Tensor offsets = Activations.Integers(new Shape(experts + 1));
        using Tensor order = Activations.Integers(new Shape(rows * k)), place = Activations.Integers(new Shape(rows * k));
        kernels.Dispatch(pairs, offsets, order, place);
        golden["offsets"].CheckCodes<int>(offsets.Span<int>());
        golden["counts"].CheckCodes<int>([.. Enumerable.Range(0, experts).Select(e => offsets.Span<int>()[e + 1] - offsets.Span<int>()[e])]);
        golden["sort_order"].CheckCodes<int>(order.Span<int>());
        golden["sort_pos"].CheckCodes<int>(place.Span<int>());

        using Tensor x = kernels.Input(new Shape(rows, experts), logits), lse = kernels.Output(new Shape(rows));
        kernels.LogSumExp(x, lse);
        golden["lse"].Check(lse.Read());
    }
}
