using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Training.Tests;

/// <summary>The whole model on the tape against central differences, and what accumulates.</summary>
public sealed class TrainingModelTests
{
    private const int Length = 9;

    private static readonly LossFactors s_factors = new(0.3f, 0.05f, 0.01f);

    private static TrainingBatch Batch(ulong seed, int rows, int vocabulary)
    {
        int[] Draw(uint purpose) => [.. Enumerable.Range(0, rows * Length).Select(i => (int)(Philox.Bits(seed, (ulong)i, purpose) % (ulong)vocabulary))];
        int[] labels = Draw(2);
        labels[3] = CrossEntropyParameters.Ignored;
        return new TrainingBatch(Length, Draw(1), labels, Draw(3), [.. Enumerable.Range(0, rows * Length).Select(i => i % Length < 4 ? 0 : 1)]);
    }

    [Theory]
    [InlineData("training/plain", false)]
    [InlineData("training/plain", true)]
    [InlineData("models/odd", false)]
    public void Gradients_are_the_central_differences_of_the_loss(string folder, bool recomputeAndTerm)
    {
        // Dense layers, tied embeddings and weights that are not renormalised are in the second model.
        using TrainingModel model = Load(folder, new ReferenceKernels(), new TrainingModelOptions { Recompute = recomputeAndTerm });
        if (recomputeAndTerm)
            model.LossTerms.Add(SquaredStates);
        TrainingBatch batch = Batch(1, 2, model.Configuration.VocabularySize);
        model.ZeroGradients();
        model.ForwardBackward(batch, s_factors);
        double[][] gradients = [.. model.Parameters.Select(parameter => parameter.Gradient.Span<double>().ToArray())];
        Random random = new(5);
        int checkedWeights = 0;
        for (int p = 0; p < gradients.Length; p++)
        {
            OptimizerParameter parameter = model.Parameters[p];
            int index = Enumerable.Range(0, gradients[p].Length).MaxBy(i => Math.Abs(gradients[p][i]));
            double gradient = gradients[p][index];
            if (random.Next(3) != 0 || Math.Abs(gradient) < 1e-6)
                continue;
            var (up, upStep) = Perturbed(parameter.Weight, index, 1e-4);
            var (down, downStep) = Perturbed(parameter.Weight, index, -1e-4);
            double difference = (up - down) / (upStep - downStep);
            Assert.True(Math.Abs(difference - gradient) <= 1e-4 * Math.Abs(gradient) + 1e-7, $"{parameter.Name}[{index}]: {gradient}, difference {difference}");
            checkedWeights++;
        }
        Assert.True(checkedWeights >= 20);

        // The weights of norms are float32: what counts is the step that they can hold.
        (double Loss, double Step) Perturbed(Tensor weight, int index, double step)
        {
            double before = Read(weight, index);
            Write(weight, index, before + step);
            double taken = Read(weight, index) - before, loss = model.ForwardBackward(batch, s_factors).Total;
            Write(weight, index, before);
            return (loss, taken);
        }
    }

    [Fact]
    public void Two_micro_batches_add_their_gradients()
    {
        using WorkerPool pool = new(2);
        using TrainingModel model = Load("training/plain", SimdKernels.Create(pool));
        TrainingBatch first = Batch(1, 2, model.Configuration.VocabularySize), second = Batch(2, 1, model.Configuration.VocabularySize);
        float[] Gradients(params TrainingBatch[] batches)
        {
            model.ZeroGradients();
            foreach (TrainingBatch batch in batches)
                model.ForwardBackward(batch, s_factors);
            return [.. model.Parameters.SelectMany(parameter => parameter.Gradient.Span<float>().ToArray())];
        }
        float[] a = Gradients(first), b = Gradients(second), both = Gradients(first, second);
        Assert.True(GoldenTensors.RelativeError(both, [.. a.Zip(b, (x, y) => x + y)]) < 1e-5);
    }

    // 0.03 times the mean of the squares of all states.
    private static double SquaredStates(Tape tape, LossTermInput input)
    {
        Span<double> states = input.States.Span<double>();
        double factor = 0.03 / states.Length, sum = 0;
        Tensor gradient = tape.Rent(input.States);
        for (int i = 0; i < states.Length; i++)
        {
            sum += states[i] * states[i];
            gradient.Span<double>()[i] = 2 * factor * states[i];
        }
        tape.AddGradient(input.States, gradient);
        return factor * sum;
    }

    private static double Read(Tensor tensor, int index) =>
        tensor.Type == DType.F64 ? tensor.Span<double>()[index] : tensor.Span<float>()[index];

    private static void Write(Tensor tensor, int index, double value)
    {
        if (tensor.Type == DType.F64)
            tensor.Span<double>()[index] = value;
        else
            tensor.Span<float>()[index] = (float)value;
    }

    private static TrainingModel Load(string folder, ITrainingKernels kernels, TrainingModelOptions? options = null)
    {
        string path = GoldenFolder.Find(folder.Split('/'));
        ModelConfiguration configuration = ModelConfiguration.Load(path);
        using Checkpoint checkpoint = Checkpoint.Open(path);
        return new TrainingModel(configuration, checkpoint, checkpoint.Validate(configuration), kernels, options);
    }
}
