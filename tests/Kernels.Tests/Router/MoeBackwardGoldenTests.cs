using Mellum2.Managed.Engine;
using Mellum2.Managed.Tests;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class MoeBackwardGoldenTests
{
    public static IEnumerable<object[]> Layers => BackEnds.TrainingWithGoldens("moe")
        .Where(pair => GoldenManifest.Numerics("moe")[(string)pair[1]].Has("dx"));

    [Theory]
    [MemberData(nameof(Layers))]
    public void The_whole_layer_agrees(string backEnd, string name)
    {
        ITrainingKernels kernels = BackEnds.Training(backEnd);
        GoldenCase golden = GoldenManifest.Numerics("moe")[name];
        int k = golden.Integer("k"), rows = golden["x"].Shape[0], hidden = golden["x"].Shape[1];
        int count = golden["wg"].Shape[0], inner = golden["wg"].Shape[1], pairs = rows * k;
        float alpha = (float)golden.Number("alpha"), beta = (float)golden.Number("beta");
        using WeightMatrix router = WeightMatrix.RowMajor("wr", kernels.Input(new Shape(count, hidden), golden["wr"].Singles()));
        WeightMatrix[] gateUp = [.. Enumerable.Range(0, count).Select(e => Expert(kernels, 2 * inner, hidden, e, golden["wg"], golden["wu"]))];
        WeightMatrix[] down = [.. Enumerable.Range(0, count).Select(e => Expert(kernels, hidden, inner, e, golden["wd"]))];

        using Tensor x = kernels.Input(new Shape(rows, hidden), golden["x"].Singles());
        using Tensor logits = kernels.Output(new Shape(rows, count)), probabilities = kernels.Output(new Shape(rows, count));
        using Tensor weights = kernels.Output(new Shape(rows, k)), lse = kernels.Output(new Shape(rows));
        using Tensor chosen = Activations.Integers(new Shape(rows, k)), offsets = Activations.Integers(new Shape(count + 1));
        using Tensor order = Activations.Integers(new Shape(pairs)), place = Activations.Integers(new Shape(pairs));
        using Tensor counts = Activations.Integers(new Shape(count), new int[count]);
        using Tensor both = kernels.Output(new Shape(pairs, 2 * inner)), activated = kernels.Output(new Shape(pairs, inner));
        using Tensor results = kernels.Output(new Shape(pairs, hidden));
        kernels.MatMul(x, router, logits);
        kernels.LogSumExp(logits, lse);
        kernels.Route(logits, k, true, probabilities, chosen, weights);
        kernels.Dispatch(chosen, offsets, order, place);
        kernels.CountLoads(offsets, counts);
        kernels.GroupedMatMul(x, order, k, offsets, gateUp, both);
        kernels.SwiGlu(both, activated);
        kernels.GroupedMatMul(activated, null, 1, offsets, down, results);

        using Tensor dOut = kernels.Input(new Shape(rows, hidden), golden["dout"].Singles());
        using Tensor dResults = kernels.Output(new Shape(pairs, hidden)), dWeights = kernels.Output(new Shape(rows, k));
        using Tensor dActivated = kernels.Output(new Shape(pairs, inner)), dBoth = kernels.Output(new Shape(pairs, 2 * inner));
        using Tensor dRows = kernels.Output(new Shape(pairs, hidden)), dx = kernels.Output(new Shape(rows, hidden));
        using Tensor dLogits = kernels.Output(new Shape(rows, count)), fromRouter = kernels.Output(new Shape(rows, hidden));
        using Tensor dRouter = kernels.Zeros(new Shape(count, hidden)), losses = kernels.Output(new Shape(2));
        Tensor[] dGateUp = [.. gateUp.Select(_ => kernels.Zeros(new Shape(2 * inner, hidden)))];
        Tensor[] dDown = [.. down.Select(_ => kernels.Zeros(new Shape(hidden, inner)))];
        kernels.CombineBackward(results, place, weights, dOut, dResults, dWeights);
        kernels.GroupedMatMulBackwardWeight(dResults, activated, null, 1, offsets, dDown);
        kernels.GroupedMatMulBackwardInput(dResults, offsets, down, dActivated);
        kernels.SwiGluBackward(both, dActivated, dBoth);
        kernels.GroupedMatMulBackwardWeight(dBoth, x, order, k, offsets, dGateUp);
        kernels.GroupedMatMulBackwardInput(dBoth, offsets, gateUp, dRows);
        kernels.GatherBackward(dRows, place, k, dx);
        kernels.RouteBackward(probabilities, chosen, weights, true, dWeights, dLogits);
        golden["dlogits_out"].Check(dLogits.Read());
        golden["dlogits_balance"].Check(LossGradient(kernels, probabilities, lse, counts, alpha, 0));
        golden["dlogits_z"].Check(LossGradient(kernels, probabilities, lse, counts, 0, beta));
        kernels.RouterLosses(probabilities, lse, counts, alpha, beta, losses, dLogits);
        kernels.MatMulBackwardWeight(dLogits, x, dRouter);
        kernels.MatMulBackwardInput(dLogits, router, fromRouter);
        kernels.Accumulate(fromRouter, dx);

        golden["balance_loss"].Check([losses.Read()[0]]);
        golden["z_loss"].Check([losses.Read()[1]]);
        golden["dweights"].Check(dWeights.Read());
        golden["dx"].Check(dx.Read());
        golden["dwr"].Check(dRouter.Read());
        golden["dwg"].Check([.. dGateUp.SelectMany(d => d.Read()[..(inner * hidden)])]);
        golden["dwu"].Check([.. dGateUp.SelectMany(d => d.Read()[(inner * hidden)..])]);
        golden["dwd"].Check([.. dDown.SelectMany(d => d.Read())]);
        foreach (IDisposable matrix in gateUp.Concat<IDisposable>(down).Concat(dGateUp).Concat(dDown))
            matrix.Dispose();
    }

    private static double[] LossGradient(ITrainingKernels kernels, Tensor probabilities, Tensor lse, Tensor counts, float alpha, float beta)
    {
        using Tensor losses = kernels.Output(new Shape(2)), dLogits = kernels.Zeros(probabilities.Shape);
        kernels.RouterLosses(probabilities, lse, counts, alpha, beta, losses, dLogits);
        return dLogits.Read();
    }

    private static WeightMatrix Expert(ITrainingKernels kernels, int rows, int columns, int expert, params GoldenTensor[] parts) =>
        WeightMatrix.RowMajor("expert", kernels.Input(new Shape(rows, columns), [.. parts.SelectMany(part => part.Singles().AsSpan(
            expert * rows * columns / parts.Length, rows * columns / parts.Length).ToArray())]));
}
