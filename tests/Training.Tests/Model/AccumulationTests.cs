using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Training.Tests;

/// <summary>Steps of several micro-batches, and batches at the edge of what there can be.</summary>
public sealed class AccumulationTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Three_micro_batches_are_one_big_batch(bool documents)
    {
        // The balance loss takes the loads so far, so it is left out here.
        LossFactors factors = new(0.3f, 0, 0.01f);
        TrainingBatch whole = TrainingShapes.Batch(3, 6, 20, documents);
        TrainingBatch[] parts = [Rows(whole, 0, 1), Rows(whole, 1, 3), Rows(whole, 4, 2)];
        using WorkerPool pool = new(2);
        using TrainingModel model = TrainingShapes.Create(TrainingShapes.Tiny, SimdKernels.Create(pool));
        StepResult one = model.Step([whole], factors);
        double[][] want = model.Gradients();
        StepResult three = model.Step(parts, factors);
        double[][] got = model.Gradients();
        Near(one.Losses.Main, three.Losses.Main);
        Near(one.Losses.Mtp, three.Losses.Mtp);
        Near(one.Losses.RouterZ, three.Losses.RouterZ);
        Near(one.MainCrossEntropy, three.MainCrossEntropy);
        Near(one.MtpCrossEntropy, three.MtpCrossEntropy);
        Assert.Equal((one.Tokens, one.CountedRows, one.MtpRows, one.MtpAccepted), (three.Tokens, three.CountedRows, three.MtpRows, three.MtpAccepted));
        Assert.Equal(one.ExpertLoads, three.ExpertLoads);
        for (int p = 0; p < want.Length; p++)
            Assert.True(
                GoldenTensors.RelativeError([.. got[p].Select(x => (float)x)], [.. want[p].Select(x => (float)x)]) < 2e-5, model.Parameters[p].Name);
    }

    [Fact]
    public void Router_losses_are_means_over_the_rows_of_the_step()
    {
        // The same micro-batch twice has the same shares of the load, and half of each mean.
        using WorkerPool pool = new(2);
        using TrainingModel model = TrainingShapes.Create(TrainingShapes.Tiny, SimdKernels.Create(pool));
        TrainingBatch batch = TrainingShapes.Batch(4, 2, 20);
        StepResult once = model.Step([batch], TrainingShapes.Factors);
        double[][] want = model.Gradients();
        StepResult twice = model.Step([batch, batch], TrainingShapes.Factors);
        Near(once.Losses.Balance, twice.Losses.Balance);
        Near(once.Losses.RouterZ, twice.Losses.RouterZ);
        Near(once.Losses.Total, twice.Losses.Total);
        Assert.Equal(once.ExpertLoads[0].Select(load => 2 * load), twice.ExpertLoads[0]);
        double[][] got = model.Gradients();
        for (int p = 0; p < want.Length; p++)
            Assert.True(
                GoldenTensors.RelativeError([.. got[p].Select(x => (float)x)], [.. want[p].Select(x => (float)x)]) < 2e-5, model.Parameters[p].Name);
    }

    [Fact]
    public void A_batch_of_which_nothing_counts_has_gradients_of_its_router_losses_alone()
    {
        using WorkerPool pool = new(2);
        using TrainingModel model = TrainingShapes.Create(TrainingShapes.Tiny, SimdKernels.Create(pool));
        TrainingBatch batch = TrainingShapes.Batch(5, 2, 12);
        int[] masked = [.. Enumerable.Repeat(CrossEntropyParameters.Ignored, 24)];
        batch = batch with { Labels = masked, MtpLabels = masked };
        StepResult step = model.Step([batch], new LossFactors(0.3f, 0, 0));
        Assert.Equal(0, step.Losses.Total);
        Assert.True(double.IsNaN(step.MainCrossEntropy) && double.IsNaN(step.MtpCrossEntropy));
        Assert.Equal((0, 0, 0), (step.CountedRows, step.MtpRows, step.MtpAccepted));
        Assert.All(model.Gradients(), gradient => Assert.All(gradient, value => Assert.Equal(0, value)));
        step = model.Step([batch], TrainingShapes.Factors);
        Assert.True(step.Losses.Balance > 0 && step.Losses.RouterZ > 0);
        Assert.All(model.Gradients(), gradient => Assert.All(gradient, value => Assert.True(double.IsFinite(value))));
        Assert.Equal(new EvaluationResult(0, 0, 0, 0, 0, 0), model.Evaluate(batch));
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 1)]
    [InlineData(1, 2)]
    public void The_shortest_rows_train(int rows, int length)
    {
        using WorkerPool pool = new(2);
        using TrainingModel model = TrainingShapes.Create(TrainingShapes.Tiny, SimdKernels.Create(pool));
        int[] labels = [.. Enumerable.Range(0, rows * length).Select(i => i % 7)];
        TrainingBatch batch = new(length, labels, labels, labels);
        StepResult step = model.Step([batch], TrainingShapes.Factors);
        Assert.Equal(rows * length, step.CountedRows);
        Assert.Equal(rows * (length - 1), step.MtpRows);
        Assert.True(double.IsFinite(step.Losses.Total) && step.MainCrossEntropy > 0);
        Assert.Equal(length == 1, double.IsNaN(step.MtpCrossEntropy));
        Assert.All(model.Gradients(), gradient => Assert.All(gradient, value => Assert.True(double.IsFinite(value))));
    }

    [Fact]
    public void Documents_of_one_token_are_rows_of_their_own()
    {
        // Every document has one token: what a row computes is what a row of length 1 computes.
        using WorkerPool pool = new(2);
        using TrainingModel model = TrainingShapes.Create(TrainingShapes.Tiny, SimdKernels.Create(pool), withMtp: false);
        int[] ids = [.. Enumerable.Range(0, 12).Select(i => i * 5 % 61)], labels = [.. ids.Select(id => (id + 1) % 61)];
        StepResult packed = model.Step([new TrainingBatch(12, ids, labels, labels, [.. Enumerable.Range(0, 12)])], TrainingShapes.Factors);
        double[][] want = model.Gradients();
        StepResult apart = model.Step([new TrainingBatch(1, ids, labels, labels)], TrainingShapes.Factors);
        Assert.Equal(packed.Losses, apart.Losses);
        Assert.Equal(want, model.Gradients());
    }

    [Fact]
    public void Positions_that_run_on_change_nothing_but_rounding()
    {
        using WorkerPool pool = new(2);
        using TrainingModel model = TrainingShapes.Create(TrainingShapes.Tiny, SimdKernels.Create(pool));
        TrainingBatch batch = TrainingShapes.Batch(6, 2, 30, documents: true);
        double restart = model.Step([batch], TrainingShapes.Factors).Losses.Total;
        int[] first = new int[60], on = [.. Enumerable.Range(0, 60).Select(i => i % 30)];
        for (int i = 0; i < 60; i++)
            first[i] = i % 30 == 0 || batch.Documents![i] != batch.Documents[i - 1] ? 0 : first[i - 1] + 1;
        Assert.Equal(restart, model.Step([batch with { Positions = first }], TrainingShapes.Factors).Losses.Total);
        double runOn = model.Step([batch with { Positions = on }], TrainingShapes.Factors).Losses.Total;
        Assert.NotEqual(restart, runOn);
        Assert.Equal(restart, runOn, 1e-5 * restart);
    }

    private static TrainingBatch Rows(TrainingBatch batch, int first, int count)
    {
        int[] Part(IReadOnlyList<int> all) => [.. all.Skip(first * batch.Length).Take(count * batch.Length)];
        return new TrainingBatch(
            batch.Length, Part(batch.Ids), Part(batch.Labels), Part(batch.MtpLabels), batch.Documents is null ? null : Part(batch.Documents));
    }

    private static void Near(double want, double got) => Assert.Equal(want, got, 2e-6 * Math.Abs(want));
}
