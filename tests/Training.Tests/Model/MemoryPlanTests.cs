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
            model.WeightBytes, model.RoundedWeightBytes,
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

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    [InlineData(DType.F8E4M3)]
    public void A_head_for_the_released_shape_costs_its_trunk_as_it_is_stored(DType format)
    {
        ModelConfiguration shape = ModelConfiguration.Named("mellum2-12b");
        long weights = 4 * shape.MtpParameterCount + shape.TrunkTensors().Sum(tensor =>
            tensor.Shape.Rank == 1 || tensor.Name == ModelConfiguration.HeadName ? 4 * tensor.Shape.Count
            // A panel of 64 rows has a scale for 128 columns.
            : StoredWeights.FormatOf(tensor.Name, format) == DType.F8E4M3 ? tensor.Shape.Count + tensor.Shape.Count / (64 * 128) * sizeof(float)
            : tensor.Shape.Count * StoredWeights.FormatOf(tensor.Name, format).Size());
        long before = TrainingShapes.NativeBytes();
        foreach (TrainingPrecision precision in Enum.GetValues<TrainingPrecision>())
        {
            TrainingModelOptions options = new() { Trained = TrainedPart.MtpHead, Precision = precision, CacheFormat = DType.BF16 };
            MemoryPlan plan = MemoryPlan.For(shape, true, options, 1, 8192, trunk: new StoredWeights(format));
            Assert.Equal(weights, plan.Weights);
            Assert.Equal(4 * shape.MtpParameterCount, plan.Gradients);
            Assert.True(plan.RoundedWeights <= plan.Gradients);
        }
        Assert.Equal(before, TrainingShapes.NativeBytes());
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
