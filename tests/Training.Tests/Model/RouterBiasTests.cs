using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Training.Tests;

/// <summary>Balancing by a bias for the choice of experts.</summary>
public sealed class RouterBiasTests
{
    [Fact]
    public void A_bias_of_zero_changes_nothing_and_a_large_one_chooses()
    {
        using WorkerPool pool = new(2);
        TrainingBatch batch = TrainingShapes.Batch(1, 2, 20);
        using TrainingModel plain = TrainingShapes.Create(TrainingShapes.Tiny, SimdKernels.Create(pool));
        using TrainingModel biased = TrainingShapes.Create(TrainingShapes.Tiny, SimdKernels.Create(pool), new TrainingModelOptions { RouterBias = true });
        StepResult want = plain.Step([batch], TrainingShapes.Factors), got = biased.Step([batch], TrainingShapes.Factors);
        Assert.Equal(want.Losses, got.Losses);
        Assert.Equal(plain.Gradients(), biased.Gradients());
        Assert.Empty(plain.RouterBiases);
        Assert.Equal(TrainingShapes.Tiny.LayerCount + 1, biased.RouterBiases.Count);
        foreach (Tensor bias in biased.RouterBiases)
            (bias.Span<float>()[5], bias.Span<float>()[2]) = (3, 2);
        got = biased.Step([batch], TrainingShapes.Factors);
        Assert.All(got.ExpertLoads, loads => Assert.Equal(loads.Sum() / 2, loads[5]));
        Assert.All(got.ExpertLoads, loads => Assert.Equal(loads.Sum() / 2, loads[2]));
    }

    [Fact]
    public void The_ready_made_rule_evens_out_the_loads()
    {
        using WorkerPool pool = new(2);
        using TrainingModel model = TrainingShapes.Create(TrainingShapes.Tiny, SimdKernels.Create(pool), new TrainingModelOptions { RouterBias = true });
        TrainingBatch batch = TrainingShapes.Batch(2, 8, 40);
        LoadBalancingBias rule = new(rate: 0.01);
        double Imbalance(StepResult step) => step.ExpertLoads.Max(loads => loads.Max() * (double)loads.Length / loads.Sum());
        StepResult first = model.Step([batch], default), last = first;
        for (int step = 0; step < 60; step++)
        {
            rule.Update(model, last);
            last = model.Step([batch], default);
        }
        Assert.True(Imbalance(first) > 1.5, $"{Imbalance(first)} at first");
        Assert.True(Imbalance(last) < 1.25, $"{Imbalance(last)} of {Imbalance(first)}");
    }

    [Fact]
    public void A_model_without_biases_is_refused()
    {
        using WorkerPool pool = new(1);
        using TrainingModel model = TrainingShapes.Create(TrainingShapes.Tiny, SimdKernels.Create(pool));
        StepResult step = model.Step([TrainingShapes.Batch(1, 1, 8)], TrainingShapes.Factors);
        Assert.Throws<InvalidInputException>(() => new LoadBalancingBias().Update(model, step));
    }
}
