using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training.Tests;

public class TrainingOptimizerTests
{
    private static readonly TrainingOptimizerOptions s_options = new(new MuonOptions(), new AdamWOptions());

    [Fact]
    public void All_widths_and_threads_take_the_same_steps()
    {
        byte[][]? first = null;
        foreach (IOptimizerKernels kernels in BackEnds.Simd.Values)
        {
            using Fixture fixture = new(kernels);
            fixture.Steps(2, 1);
            byte[][] got = fixture.Everything();
            first ??= got;
            for (int i = 0; i < got.Length; i++)
                Assert.True(first[i].AsSpan().SequenceEqual(got[i]), $"{kernels.Description}: tensor {i}");
        }
    }

    [Fact]
    public void A_saved_state_goes_on_bit_for_bit()
    {
        string path = Path.GetTempFileName(), again = Path.GetTempFileName();
        try
        {
            IOptimizerKernels kernels = Widest();
            using Fixture straight = new(kernels), resumed = new(kernels);
            straight.Steps(2, 1);
            straight.Optimizer.Save(path);
            straight.CopyWeightsTo(resumed);
            resumed.Optimizer.Load(path);
            Assert.Equal(2, resumed.Optimizer.StepCount);
            resumed.Optimizer.Save(again);
            Assert.True(File.ReadAllBytes(path).AsSpan().SequenceEqual(File.ReadAllBytes(again)));
            straight.Steps(2, 3);
            resumed.Steps(2, 3);
            AssertSame(straight.Everything(), resumed.Everything());
        }
        finally
        {
            File.Delete(path);
            File.Delete(again);
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void A_gradient_that_is_not_finite_changes_no_bit(float value)
    {
        using Fixture fixture = new(Widest());
        fixture.Steps(1, 1);
        fixture.Parameters[^1].Gradient.Span<float>()[^1] = value;
        byte[][] before = fixture.Everything();
        ClipResult result = fixture.Optimizer.Step(1e-2);
        Assert.True(result.Skipped && !double.IsFinite(result.Norm));
        Assert.Equal(1, fixture.Optimizer.StepCount);
        AssertSame(before, fixture.Everything());
    }

    [Fact]
    public void A_file_of_another_model_is_refused_and_changes_nothing()
    {
        string path = Path.GetTempFileName();
        try
        {
            using Fixture fixture = new(Widest());
            fixture.Steps(1, 1);
            List<KeyValuePair<string, Tensor>> state = [.. fixture.Optimizer.State];
            byte[][] before = fixture.Everything();
            OptimizerStateFile.Save(path, 7, state[..^1]);
            Assert.Contains(state[^1].Key, Assert.Throws<InvalidInputException>(() => fixture.Optimizer.Load(path)).Message, StringComparison.Ordinal);
            using Tensor other = Tensor.Allocate(DType.F32, new Shape(3));
            OptimizerStateFile.Save(path, 7, [.. state[..^1], new(state[^1].Key, other)]);
            Assert.Throws<InvalidInputException>(() => fixture.Optimizer.Load(path));
            OptimizerStateFile.Save(path, 7, [.. state, new("more", other)]);
            Assert.Throws<InvalidInputException>(() => fixture.Optimizer.Load(path));
            OptimizerStateFile.Save(path, -1, state);
            Assert.Throws<InvalidInputException>(() => fixture.Optimizer.Load(path));
            Assert.Equal(1, fixture.Optimizer.StepCount);
            AssertSame(before, fixture.Everything());
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Theory]
    [InlineData(MuonCoefficients.NearExact, 1e-3)]
    [InlineData(MuonCoefficients.Quintic, 0.06)]
    public void An_orthogonal_update_has_the_promised_size(MuonCoefficients set, double tolerance)
    {
        const double LearningRate = 0.01;
        IOptimizerKernels kernels = Widest();
        foreach (Shape shape in new[] { new Shape(48, 32), new Shape(32, 80), new Shape(40, 40) })
        {
            using Tensor weight = kernels.Zeros(shape), gradient = kernels.Input(shape, new Random(8).Normal(shape.Count));
            kernels.NewtonSchulz(gradient, NewtonSchulzSteps.NearExact, 1e-7, gradient);
            using Muon muon = new(kernels, new MuonOptions(Coefficients: set), [new MuonBatch("w", [[new OptimizerParameter("w", weight, gradient)]])]);
            muon.Step(LearningRate);
            // min(A, B) singular values of 1 spread over A·B entries: √(max) brings their root mean square to 1.
            double size = Math.Sqrt(weight.Read().Average(value => value * value)) / LearningRate;
            Assert.Equal(muon.Options.Scale, size, muon.Options.Scale * tolerance);
        }
    }

    private static IOptimizerKernels Widest() => BackEnds.Simd.Values.First();

    private static void AssertSame(byte[][] want, byte[][] got)
    {
        Assert.Equal(want.Length, got.Length);
        for (int i = 0; i < want.Length; i++)
            Assert.True(want[i].AsSpan().SequenceEqual(got[i]), $"tensor {i} differs");
    }

    /// <summary>The small model's parameters with random weights, and their optimizer.</summary>
    private sealed class Fixture : IDisposable
    {
        public Fixture(IOptimizerKernels kernels)
        {
            ModelConfiguration model = ParameterGroupsTests.Mini() with { VocabularySize = 50, LayerTypes = [AttentionKind.Sliding], MlpLayerTypes = [MlpKind.Sparse] };
            Random random = new(1);
            foreach (ExpectedTensor tensor in model.ExpectedTensors(withMtp: true))
                Parameters.Add(new OptimizerParameter(tensor.Name, kernels.Input(tensor.Shape, random.Normal(tensor.Shape.Count)), kernels.Zeros(tensor.Shape)));
            Optimizer = new TrainingOptimizer(kernels, ParameterGroups.For(model, withMtp: true), Parameters, s_options);
        }

        public List<OptimizerParameter> Parameters { get; } = [];

        public TrainingOptimizer Optimizer { get; }

        public void Steps(int count, int first)
        {
            for (int step = first; step < first + count; step++)
            {
                Random random = new(step);
                foreach (OptimizerParameter parameter in Parameters)
                    parameter.Gradient.WriteSingles(random.Normal(parameter.Gradient.Count, 1e-2));
                Assert.False(Optimizer.Step(1e-2).Skipped);
                Assert.Equal(step, Optimizer.StepCount);
            }
        }

        public void CopyWeightsTo(Fixture other)
        {
            for (int i = 0; i < Parameters.Count; i++)
                Parameters[i].Weight.Span<float>().CopyTo(other.Parameters[i].Weight.Span<float>());
        }

        public byte[][] Everything() =>
            [.. Parameters.Select(parameter => parameter.Weight.Bytes()), .. Optimizer.State.Select(entry => entry.Value.Bytes())];

        public void Dispose()
        {
            Optimizer.Dispose();
            foreach (OptimizerParameter parameter in Parameters)
            {
                parameter.Weight.Dispose();
                parameter.Gradient.Dispose();
            }
        }
    }
}
