using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training.Tests;

/// <summary>Layers that are computed again: the same bits in less memory.</summary>
public sealed class RecomputationTests
{
    [Theory]
    [InlineData("tiny", false, TrainedPart.Whole, TrainingPrecision.F32)]
    [InlineData("tiny", true, TrainedPart.Whole, TrainingPrecision.F32)]
    [InlineData("odd", true, TrainedPart.Whole, TrainingPrecision.F32)]
    [InlineData("tiny", true, TrainedPart.Whole, TrainingPrecision.BF16)]
    [InlineData("odd", true, TrainedPart.Whole, TrainingPrecision.FP8)]
    [InlineData("tiny", true, TrainedPart.MtpHead, TrainingPrecision.F32)]
    public void Gradients_and_losses_have_the_same_bits(string shape, bool documents, TrainedPart trained, TrainingPrecision precision)
    {
        using WorkerPool pool = new(2);
        ModelConfiguration configuration = shape == "tiny" ? TrainingShapes.Tiny : TrainingShapes.Odd;
        List<(StepResult Result, double[][] Gradients)> runs = [];
        foreach (bool recompute in new[] { false, true })
        {
            using TrainingModel model = TrainingShapes.Create(
                configuration, SimdKernels.Create(pool), new TrainingModelOptions { Recompute = recompute, Trained = trained, Precision = precision });
            TrainingBatch[] batches = [TrainingShapes.Batch(1, 2, 20, documents), TrainingShapes.Batch(2, 1, 20, documents)];
            model.Step(batches, TrainingShapes.Factors);
            runs.Add((model.Step(batches, TrainingShapes.Factors), model.Gradients()));
        }
        Assert.Equal(runs[0].Result.Losses, runs[1].Result.Losses);
        Assert.Equal(runs[0].Result.ExpertLoads, runs[1].Result.ExpertLoads);
        Assert.Equal(runs[0].Gradients, runs[1].Gradients);
        Assert.All(runs[0].Gradients, gradient => Assert.Contains(gradient, value => value != 0));
    }

    [Fact]
    public void A_layer_is_replayed_with_the_choices_of_its_router()
    {
        // Other logits at the second time would choose other experts; the z-loss, which reads them, is left out.
        using WorkerPool pool = new(2);
        TrainingBatch batch = TrainingShapes.Batch(3, 2, 20);
        using TrainingModel model = TrainingShapes.Create(TrainingShapes.Tiny, SimdKernels.Create(pool), new TrainingModelOptions { Recompute = true });
        StepResult want = model.Step([batch], new LossFactors(0.3f, 0.05f, 0));
        double[][] gradients = model.Gradients();
        OtherChoices tap = new();
        model.Tap = tap;
        StepResult got = model.Step([batch], new LossFactors(0.3f, 0.05f, 0));
        Assert.Equal(2 * (TrainingShapes.Tiny.LayerCount + 1), tap.Calls);
        Assert.Equal(want.Losses, got.Losses);
        Assert.Equal(gradients, model.Gradients());
    }

    [Fact]
    public void A_deep_model_needs_little_more_than_the_streams_between_its_layers()
    {
        using WorkerPool pool = new(2);
        ModelConfiguration deep = TrainingShapes.Tiny.WithLayers(24);
        long Bytes(bool recompute)
        {
            using TrainingModel model = TrainingShapes.Create(deep, SimdKernels.Create(pool), new TrainingModelOptions { Recompute = recompute });
            model.Step([TrainingShapes.Batch(1, 8, 40)], TrainingShapes.Factors);
            return model.ActivationBytes;
        }
        long recorded = Bytes(false), recomputed = Bytes(true);
        Assert.True(recomputed < recorded / 4, $"{recomputed} of {recorded} bytes");
    }

    private sealed class OtherChoices : ForwardTap
    {
        private readonly HashSet<int> _seen = [];

        public int Calls { get; private set; }

        public override void RouterLogits(int layer, Tensor logits)
        {
            Calls++;
            if (!_seen.Add(layer))
                logits.Span<float>().Reverse();
        }
    }
}
