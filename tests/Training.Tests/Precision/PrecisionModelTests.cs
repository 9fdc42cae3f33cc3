using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Training.Tests;

/// <summary>Steps of a whole model whose products are rounded.</summary>
public sealed class PrecisionModelTests
{
    // Where the float32 error of an operand crosses a tie, it rounds the other way, by 2⁻⁸ of itself; that moves what depends on
    // it by enough to make others do the same. What rounding itself does is several times more.
    private const double LossTolerance = 5e-4;
    private const double GradientTolerance = 5e-3;

    private static readonly LossFactors s_factors = new(0.1f, 0.01f, 0.001f);

    [Theory]
    [InlineData("training/plain")]
    [InlineData("models/odd")]
    public void A_step_in_bfloat16_is_that_of_the_reference(string folder)
    {
        (double Loss, double[][] Gradients) want = Step(folder, new ReferenceKernels(), TrainingPrecision.BF16);
        (double Loss, double[][] Gradients) exact = Step(folder, new ReferenceKernels(), TrainingPrecision.F32);
        using WorkerPool pool = new(2);
        (double Loss, double[][] Gradients) got = Step(folder, SimdKernels.Create(pool), TrainingPrecision.BF16);
        Assert.Equal(want.Loss, got.Loss, LossTolerance * want.Loss);
        double rounding = Error(exact.Gradients, want.Gradients), error = Error(want.Gradients, got.Gradients);
        Assert.InRange(error, 0, GradientTolerance);
        Assert.InRange(error, 0, rounding / 5);
    }

    [Theory]
    [InlineData(TrainingPrecision.BF16)]
    [InlineData(TrainingPrecision.FP8)]
    public void Threads_and_recomputation_change_no_bit(TrainingPrecision precision)
    {
        using WorkerPool one = new(1), two = new(2);
        double[][] first = Step("training/plain", SimdKernels.Create(one), precision).Gradients;
        Assert.Equal(first, Step("training/plain", SimdKernels.Create(two), precision).Gradients);
        Assert.Equal(first, Step("training/plain", SimdKernels.Create(two), precision, recompute: true).Gradients);
    }

    [Fact]
    public void Rounded_weights_are_one_copy_of_what_is_multiplied_by()
    {
        using WorkerPool pool = new(2);
        using TrainingModel model = Load("training/plain", SimdKernels.Create(pool), TrainingPrecision.BF16, recompute: false);
        TrainingBatch batch = Batch(model.Configuration.VocabularySize);
        model.Step([batch], s_factors);
        long bytes = model.RoundedWeightBytes;
        // All that is multiplied by but the router: matrices of the layers, the head, the MTP head's projection.
        long expected = model.AllTensors.Where(tensor => tensor.Tensor.Shape.Rank == 2 && !ModelConfiguration.IsRouter(tensor.Name)
            && tensor.Name != ModelConfiguration.EmbeddingName).Sum(tensor => tensor.Tensor.ByteLength);
        Assert.Equal(expected, bytes);
        model.Step([batch, batch, batch], s_factors);
        Assert.Equal(bytes, model.RoundedWeightBytes);
    }

    private static (double Loss, double[][] Gradients) Step(string folder, ITrainingKernels kernels, TrainingPrecision precision, bool recompute = false)
    {
        using TrainingModel model = Load(folder, kernels, precision, recompute);
        StepResult result = model.Step([Batch(model.Configuration.VocabularySize), Batch(model.Configuration.VocabularySize)], s_factors);
        return (result.Losses.Total, [.. model.Parameters.Select(parameter => parameter.Gradient.Read())]);
    }

    private static double Error(double[][] want, double[][] got)
    {
        double squares = want.Zip(got, (a, b) => a.Zip(b, (x, y) => (x - y) * (x - y)).Sum()).Sum();
        return Math.Sqrt(squares / want.Sum(a => a.Sum(x => x * x)));
    }

    private static TrainingBatch Batch(int vocabulary)
    {
        const int Length = 20, Rows = 2;
        int[] Draw(uint purpose) => [.. Enumerable.Range(0, Rows * Length).Select(i => (int)(Philox.Bits(3, (ulong)i, purpose) % (ulong)vocabulary))];
        return new TrainingBatch(Length, Draw(1), Draw(2), Draw(3), [.. Enumerable.Range(0, Rows * Length).Select(i => i % Length < 8 ? 0 : 1)]);
    }

    private static TrainingModel Load(string folder, ITrainingKernels kernels, TrainingPrecision precision, bool recompute)
    {
        string path = GoldenFolder.Find(folder.Split('/'));
        ModelConfiguration configuration = ModelConfiguration.Load(path);
        using Checkpoint checkpoint = Checkpoint.Open(path);
        return new TrainingModel(
            configuration, checkpoint, checkpoint.Validate(configuration), kernels,
            new TrainingModelOptions { Precision = precision, Recompute = recompute });
    }
}
