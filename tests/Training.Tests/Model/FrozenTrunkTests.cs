using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training.Tests;

/// <summary>A trunk that is not trained runs as inference runs it and is held as it is stored.</summary>
public sealed class FrozenTrunkTests
{
    private static readonly TrainingModelOptions s_options = new() { Trained = TrainedPart.MtpHead };

    public static IEnumerable<object[]> Cases() =>
        from format in new[] { DType.F32, DType.BF16, DType.F8E4M3 }
        from precision in Enum.GetValues<TrainingPrecision>()
        from odd in new[] { false, true }
        select new object[] { format, precision, odd };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Its_states_and_losses_have_the_bits_of_inference(DType format, TrainingPrecision precision, bool odd)
    {
        using WorkerPool pool = new(2);
        ModelConfiguration shape = Shape(odd);
        using TrainingModel trained = new(shape, Source(shape, format), true, SimdKernels.Create(pool), s_options with { Precision = precision });
        States seen = new();
        trained.Tap = seen;
        TrainingBatch batch = TrainingShapes.Batch(3, 2, 20);
        trained.Step([batch], TrainingShapes.Factors);
        byte[] inTraining = seen.Last;
        float[] losses = new float[batch.Ids.Count];
        trained.Evaluate(batch, losses);
        Assert.Equal(inTraining, seen.Last);

        ITrainingKernels kernels = SimdKernels.Create(pool);
        using PooledWorkspace workspace = new();
        ForwardContext context = new(kernels, workspace) { Tap = seen };
        using MellumModel sampler = new(shape, new WeightLoader(shape, Source(shape, format), kernels).Load(true), context, DType.F32);
        List<byte> expected = [];
        for (int row = 0; row < batch.Rows; row++)
        {
            using KvCache cache = new(new CachePlan(shape, DType.F32, batch.Length, batch.Length, true));
            ForwardBatch one = new();
            one.Add(cache, 0, batch.Ids.Skip(row * batch.Length).Take(batch.Length).ToArray());
            Tensor states = sampler.Trunk(one, false, out _);
            expected.AddRange(seen.Last);
            Tensor logits = sampler.Logits(states, 0, batch.Length);
            for (int i = 0; i < batch.Length; i++)
            {
                int place = row * batch.Length + i, label = batch.Labels[place];
                Assert.Equal(label < 0 ? 0 : -sampler.LogProbability(logits, i, label), losses[place]);
            }
        }
        Assert.Equal(expected, inTraining);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void What_is_planned_is_held_and_nothing_of_the_trunk_is_rounded(DType format, TrainingPrecision precision, bool odd)
    {
        using WorkerPool pool = new(2);
        ModelConfiguration shape = Shape(odd);
        TrainingModelOptions options = s_options with { Precision = precision };
        MemoryPlan plan = MemoryPlan.For(shape, true, options, 2, 20, trunk: Source(shape, format));
        long before = TrainingShapes.NativeBytes();
        using TrainingModel model = new(shape, Source(shape, format), true, SimdKernels.Create(pool), options);
        long held = TrainingShapes.NativeBytes() - before, gradients = model.Parameters.Sum(parameter => parameter.Gradient.ByteLength);
        long routers = (1 + shape.MlpLayerTypes.Count(kind => kind == MlpKind.Sparse)) * shape.ExpertCount * sizeof(int);
        Assert.Equal((held, gradients), (plan.Weights + gradients + routers, plan.Gradients));
        model.Step([TrainingShapes.Batch(3, 2, 20)], TrainingShapes.Factors);
        Assert.Equal((model.RoundedWeightBytes, model.ActivationBytes, model.CacheBytes), (plan.RoundedWeights, plan.Activations, plan.Cache));
        long matrices = shape.MtpTensors().Where(tensor => tensor.Shape.Rank == 2 && !ModelConfiguration.IsRouter(tensor.Name)).Sum(tensor => 4 * tensor.Shape.Count);
        Assert.Equal(precision == TrainingPrecision.F32 ? 0 : matrices, model.RoundedWeightBytes);
    }

    [Theory]
    [InlineData(DType.BF16)]
    [InlineData(DType.F8E4M3)]
    public void The_definition_agrees(DType format)
    {
        using WorkerPool pool = new(2);
        double[][] Gradients(ITrainingKernels kernels)
        {
            using TrainingModel model = new(TrainingShapes.Tiny, Source(TrainingShapes.Tiny, format), true, kernels, s_options);
            model.Step([TrainingShapes.Batch(3, 2, 20)], TrainingShapes.Factors);
            return model.Gradients();
        }
        foreach (var (want, got) in Gradients(new ReferenceKernels()).Zip(Gradients(SimdKernels.Create(pool))))
        {
            double size = Math.Sqrt(want.Sum(x => x * x)), error = Math.Sqrt(want.Zip(got, (x, y) => (x - y) * (x - y)).Sum());
            Assert.True(error <= 1e-4 * size + 1e-9, $"{error} of {size}");
        }
    }

    private static ModelConfiguration Shape(bool odd) => odd ? TrainingShapes.Odd : TrainingShapes.Tiny;

    private static StoredWeights Source(ModelConfiguration shape, DType format) =>
        new(format, new InitialWeights(shape with { InitializerRange = 0.2 }, 7));

    /// <summary>Keeps the trunk's last states.</summary>
    private sealed class States : ForwardTap
    {
        public byte[] Last { get; private set; } = [];

        public override void Normed(Tensor states) => Last = states.Bytes();
    }
}
