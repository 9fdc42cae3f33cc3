using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training.Tests;

/// <summary>The plan is what is held after a step, to the byte.</summary>
public sealed class MemoryPlanTests
{
    public static IEnumerable<object[]> Options() =>
        from precision in Enum.GetValues<TrainingPrecision>()
        from recompute in new[] { false, true }
        from trained in Enum.GetValues<TrainedPart>()
        from odd in new[] { false, true }
        select new object[] { precision, recompute, trained, odd };

    [Theory]
    [MemberData(nameof(Options))]
    public void What_is_planned_is_held_after_a_step(TrainingPrecision precision, bool recompute, TrainedPart trained, bool odd)
    {
        TrainingModelOptions options = new() { Precision = precision, Recompute = recompute, Trained = trained };
        ModelConfiguration configuration = odd ? TrainingShapes.Odd : TrainingShapes.Tiny;
        MemoryPlan plan = MemoryPlan.For(configuration, true, options, 3, 28);
        using WorkerPool pool = new(2);
        IOptimizerKernels kernels = (IOptimizerKernels)SimdKernels.Create(pool);
        using TrainingModel model = TrainingShapes.Create(configuration, (ITrainingKernels)kernels, options);
        long before = TrainingShapes.NativeBytes();
        using TrainingOptimizer optimizer = new(
            kernels, ParameterGroups.For(configuration, true, splitGateUp: false, trained), [.. model.Parameters], new TrainingOptimizerOptions(new MuonOptions(), new AdamWOptions()));
        long state = NativeBuffer.AllocatedBytes - before;
        model.Step([TrainingShapes.Batch(1, 3, 28, documents: true), TrainingShapes.Batch(2, 3, 28)], TrainingShapes.Factors);
        MemoryPlan held = new(
            model.AllTensors.Sum(weight => weight.Tensor.ByteLength), model.RoundedWeightBytes,
            model.Parameters.Sum(parameter => parameter.Gradient.ByteLength), state, model.ActivationBytes, model.CacheBytes);
        Assert.Equal(held, plan);
        Assert.Equal(precision == TrainingPrecision.F32, plan.RoundedWeights == 0);
    }

    [Fact]
    public void Planning_takes_no_memory_and_refuses_in_numbers()
    {
        // The released shape: 12 billion parameters need 48 GB for the masters alone.
        long before = TrainingShapes.NativeBytes();
        MemoryPlan head = MemoryPlan.For(ModelConfiguration.Named("mellum2-12b"), true, new TrainingModelOptions { Trained = TrainedPart.MtpHead }, 1, 8192);
        MemoryPlan whole = MemoryPlan.For(ModelConfiguration.Named("mellum2-12b"), true, new TrainingModelOptions { Recompute = true }, 1, 8192);
        Assert.Equal(before, TrainingShapes.NativeBytes());
        Assert.Equal(4 * (ModelConfiguration.Named("mellum2-12b").ParameterCount + ModelConfiguration.Named("mellum2-12b").MtpParameterCount), whole.Weights);
        Assert.Equal((whole.Weights, whole.Weights), (head.Weights, whole.Gradients));
        Assert.Equal(4 * ModelConfiguration.Named("mellum2-12b").MtpParameterCount, head.Gradients);
        InvalidInputException refused = Assert.Throws<InvalidInputException>(() => whole.Require(16_000_000_000));
        Assert.Contains("16,000.0 MB", refused.Message, StringComparison.Ordinal);
        whole.Require(whole.Total);
    }

    [Fact]
    public void Recomputation_saves_activations_and_nothing_else()
    {
        ModelConfiguration deep = TrainingShapes.Tiny.WithLayers(12);
        MemoryPlan kept = MemoryPlan.For(deep, true, new TrainingModelOptions(), 4, 64), again = MemoryPlan.For(deep, true, new TrainingModelOptions { Recompute = true }, 4, 64);
        Assert.True(again.Activations < kept.Activations / 3, $"{again.Activations} of {kept.Activations}");
        Assert.Equal(kept with { Activations = again.Activations }, again);
    }
}
