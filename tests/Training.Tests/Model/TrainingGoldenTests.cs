using System.Text.Json;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Training.Tests;

/// <summary>
/// Ten optimizer steps of a tiny model against the reference: every gradient of the first step, the losses of all, and the
/// weights at the end; rows that are one sequence and rows of packed documents.
/// </summary>
public sealed class TrainingGoldenTests
{
    // The goldens' README: relative tolerances for a float32 engine (gradients and weights by their L2 norm).
    private const double LossTolerance = 2e-6;
    private const double GradientTolerance = 2e-5;
    private const double WeightTolerance = 1e-5;

    public static IEnumerable<object[]> Gradients() =>
        from folder in (string[])["plain", "documents"]
        from backEnd in (string[])["reference", "simd, 1 thread", "simd, 2 threads"]
        select new object[] { folder, backEnd };

    [Theory]
    [MemberData(nameof(Gradients))]
    public void Losses_and_every_gradient_of_the_first_step(string folder, string backEnd) => Run(folder, backEnd, run =>
    {
        TrainingLosses losses = run.Model.ForwardBackward(run.Batch(0), run.Factors);
        run.CheckLosses(0, losses);
        foreach (OptimizerParameter parameter in run.Model.Parameters)
        {
            float[] want = run.Golden.Singles($"grad.{parameter.Name}"), got = Singles(parameter.Gradient);
            if (want.All(value => value == 0))
                Assert.All(got, value => Assert.Equal(0, value));
            Near(got, want, GradientTolerance, parameter.Name);
        }
        Assert.Equal(run.Golden.Names.Count(name => name.StartsWith("grad.", StringComparison.Ordinal)), run.Model.Parameters.Count);
    });

    [Theory]
    [InlineData("plain", "simd, 1 thread")]
    [InlineData("plain", "simd, 2 threads")]
    [InlineData("documents", "simd, 2 threads")]
    public void Ten_steps_of_Muon_and_AdamW(string folder, string backEnd) => Run(folder, backEnd, run =>
    {
        using TrainingOptimizer optimizer = new(
            (IOptimizerKernels)run.Kernels, ParameterGroups.For(run.Model.Configuration, withMtp: true), [.. run.Model.Parameters],
            new TrainingOptimizerOptions(new MuonOptions(), new AdamWOptions()));
        for (int step = 0; step < run.Steps.GetArrayLength(); step++)
        {
            run.Model.ZeroGradients();
            run.CheckLosses(step, run.Model.ForwardBackward(run.Batch(step), run.Factors));
            ClipResult clip = optimizer.Step(run.Steps[step].GetProperty("learning_rate").GetDouble());
            double norm = run.Steps[step].GetProperty("grad_norm").GetDouble();
            Assert.Equal(norm, clip.Norm, GradientTolerance * norm);
        }
        foreach (OptimizerParameter parameter in run.Model.Parameters)
            Near(Singles(parameter.Weight), run.Golden.Singles($"final.{parameter.Name}"), WeightTolerance, parameter.Name);
    });

    [Fact]
    public void A_step_gives_the_same_bits_with_one_and_two_threads_and_every_time()
    {
        List<float[]> runs = [];
        foreach (string backEnd in (string[])["simd, 1 thread", "simd, 2 threads", "simd, 2 threads"])
        {
            Run("documents", backEnd, run =>
            {
                run.Model.ForwardBackward(run.Batch(0), run.Factors);
                runs.Add([.. run.Model.Parameters.SelectMany(parameter => Singles(parameter.Gradient))]);
            });
        }
        Assert.Equal(runs[0], runs[1]);
        Assert.Equal(runs[1], runs[2]);
    }

    private static void Run(string folder, string backEnd, Action<GoldenRun> test)
    {
        using WorkerPool pool = new(backEnd.Contains('2') ? 2 : 1);
        ITrainingKernels kernels = backEnd == "reference" ? new ReferenceKernels() : SimdKernels.Create(pool);
        string path = GoldenFolder.Find("training", folder);
        ModelConfiguration configuration = ModelConfiguration.Load(path);
        using Checkpoint checkpoint = Checkpoint.Open(path);
        using TrainingModel model = new(configuration, checkpoint, checkpoint.Validate(configuration), kernels);
        test(new GoldenRun(folder, model, kernels));
    }

    private static float[] Singles(Tensor tensor) => [.. tensor.Read().Select(value => (float)value)];

    private static void Near(float[] got, float[] want, double tolerance, string what)
    {
        double error = GoldenTensors.RelativeError(got, want);
        Assert.True(error <= tolerance, $"{what}: relative error {error:G3} is above {tolerance:G3}");
    }

    private sealed class GoldenRun
    {
        public GoldenRun(string folder, TrainingModel model, ITrainingKernels kernels)
        {
            (Model, Kernels) = (model, kernels);
            Golden = GoldenTensors.Load("training", folder, "expected.safetensors");
            JsonElement root = JsonDocument.Parse(File.ReadAllBytes(GoldenFolder.Find("training", folder, "expected.json"))).RootElement;
            Steps = root.GetProperty("steps");
            JsonElement factors = root.GetProperty("coefficients");
            Factors = new LossFactors(
                factors.GetProperty("mtp").GetSingle(), factors.GetProperty("balance").GetSingle(), factors.GetProperty("z").GetSingle());
        }

        public TrainingModel Model { get; }

        public ITrainingKernels Kernels { get; }

        public GoldenTensors Golden { get; }

        public JsonElement Steps { get; }

        public LossFactors Factors { get; }

        public TrainingBatch Batch(int step) => new(
            Golden.Shape($"step{step}.ids")[1],
            Golden.Integers($"step{step}.ids"),
            Golden.Integers($"step{step}.labels"),
            Golden.Integers($"step{step}.mtp_labels"),
            Golden.Has($"step{step}.documents") ? Golden.Integers($"step{step}.documents") : null);

        public void CheckLosses(int step, TrainingLosses losses)
        {
            JsonElement want = Steps[step];
            void Check(string name, double got, double factor = 1)
            {
                double expected = want.GetProperty(name).GetDouble() * factor;
                Assert.True(Math.Abs(got - expected) <= LossTolerance * expected, $"step {step}, {name}: got {got:R}, want {expected:R}");
            }
            Check("main", losses.Main);
            Check("mtp", losses.Mtp, Factors.Mtp);
            Check("balance", losses.Balance, Factors.Balance);
            Check("z", losses.RouterZ, Factors.RouterZ);
            Check("loss", losses.Total);
        }
    }
}
