using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training.Tests;

/// <summary>What a whole step promises: it learns, it repeats, it leaves alone what is frozen, it keeps its memory.</summary>
public sealed class TrainingStepTests
{
    [Fact]
    public void One_batch_can_be_learned_by_heart()
    {
        using WorkerPool pool = new(2);
        IOptimizerKernels kernels = (IOptimizerKernels)SimdKernels.Create(pool);
        using TrainingModel model = TrainingShapes.Create(TrainingShapes.Tiny, (ITrainingKernels)kernels, withMtp: false);
        using TrainingOptimizer optimizer = Optimizer(model, kernels, withMtp: false);
        TrainingBatch batch = TrainingShapes.Batch(8, 2, 24);
        double loss = double.NaN;
        for (int step = 0; step < 300 && !(loss < 0.01); step++)
        {
            loss = model.Step([batch], new LossFactors(0, 0, 0)).MainCrossEntropy;
            optimizer.Step(1e-2);
        }
        Assert.True(loss < 0.01, $"The cross-entropy is {loss}.");
        EvaluationResult evaluation = model.Evaluate(batch);
        Assert.Equal(evaluation.Rows, evaluation.Correct);
    }

    [Theory]
    [InlineData(TrainingPrecision.F32, false)]
    [InlineData(TrainingPrecision.F32, true)]
    [InlineData(TrainingPrecision.BF16, false)]
    public void Three_steps_end_in_the_same_bits_on_one_thread_and_on_two_and_every_time(TrainingPrecision precision, bool recompute)
    {
        List<(double[] Losses, byte[][] Weights)> runs = [];
        foreach (int threads in new[] { 1, 2, 2 })
        {
            using WorkerPool pool = new(threads);
            IOptimizerKernels kernels = (IOptimizerKernels)SimdKernels.Create(pool);
            using TrainingModel model = TrainingShapes.Create(
                TrainingShapes.Tiny, (ITrainingKernels)kernels, new TrainingModelOptions { Precision = precision, Recompute = recompute });
            using TrainingOptimizer optimizer = Optimizer(model, kernels, withMtp: true);
            double[] losses = new double[3];
            for (int step = 0; step < losses.Length; step++)
            {
                losses[step] = model.Step([TrainingShapes.Batch(step, 2, 20, documents: true), TrainingShapes.Batch(9, 1, 20)], TrainingShapes.Factors).Losses.Total;
                optimizer.Step(3e-3);
            }
            runs.Add((losses, model.WeightBytes(_ => true)));
        }
        foreach (var (losses, weights) in runs)
        {
            Assert.Equal(runs[0].Losses, losses);
            Assert.Equal(runs[0].Weights, weights);
        }
    }

    [Fact]
    public void The_MTP_head_alone_leaves_every_bit_of_the_trunk()
    {
        using WorkerPool pool = new(2);
        IOptimizerKernels kernels = (IOptimizerKernels)SimdKernels.Create(pool);
        IWeightSource trunk = new InitialWeights(TrainingShapes.Tiny, 1), head = new InitialWeights(TrainingShapes.Tiny, 2);
        using TrainingModel model = new(
            TrainingShapes.Tiny, new FreshMtpHead(trunk, head), true, (ITrainingKernels)kernels, new TrainingModelOptions { Trained = TrainedPart.MtpHead });
        using TrainingOptimizer optimizer = Optimizer(model, kernels, withMtp: true);
        Assert.All(model.Parameters, parameter => Assert.StartsWith("mtp.", parameter.Name, StringComparison.Ordinal));
        Assert.Equal(TrainingShapes.Tiny.MtpTensors().Select(tensor => tensor.Name), model.AllTensors.Select(tensor => tensor.Name));
        byte[][] headBefore = model.WeightBytes(_ => true);
        TrainingBatch batch = TrainingShapes.Batch(10, 2, 20);
        float[] trunkBefore = new float[batch.Ids.Count], trunkAfter = new float[batch.Ids.Count];
        model.Evaluate(batch, trunkBefore);
        List<double> losses = [];
        for (int step = 0; step < 20; step++)
        {
            StepResult result = model.Step([batch], TrainingShapes.Factors);
            Assert.True(double.IsNaN(result.MainCrossEntropy) && result.Losses.Main == 0);
            losses.Add(result.MtpCrossEntropy);
            optimizer.Step(1e-2);
        }
        Assert.True(losses[^1] < losses[0] - 0.5, $"from {losses[0]} to {losses[^1]}");
        model.Evaluate(batch, trunkAfter);
        Assert.Equal(trunkBefore, trunkAfter);
        Assert.DoesNotContain(headBefore.Zip(model.WeightBytes(_ => true)), pair => pair.First.AsSpan().SequenceEqual(pair.Second));
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void The_head_alone_has_the_gradients_that_it_has_in_the_whole_model(bool odd, bool reference)
    {
        using WorkerPool pool = new(2);
        ITrainingKernels kernels = reference ? new ReferenceKernels() : SimdKernels.Create(pool);
        TrainingBatch batch = TrainingShapes.Batch(11, 2, 20, documents: true);
        Dictionary<string, double[]> Gradients(TrainedPart trained)
        {
            using TrainingModel model = TrainingShapes.Create(odd ? TrainingShapes.Odd : TrainingShapes.Tiny, kernels, new TrainingModelOptions { Trained = trained });
            model.Step([batch], TrainingShapes.Factors);
            return model.Parameters.ToDictionary(parameter => parameter.Name, parameter => parameter.Gradient.Read());
        }
        Dictionary<string, double[]> whole = Gradients(TrainedPart.Whole), head = Gradients(TrainedPart.MtpHead);
        Assert.Equal(whole.Keys.Where(ModelConfiguration.IsMtp), head.Keys);
        Assert.All(head, pair => Assert.Equal(whole[pair.Key], pair.Value));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Evaluation_finds_the_losses_of_a_step_and_the_sampler_s_log_probabilities(bool documents)
    {
        using WorkerPool pool = new(2);
        using TrainingModel model = TrainingShapes.Create(TrainingShapes.Tiny, SimdKernels.Create(pool));
        TrainingBatch batch = TrainingShapes.Batch(12, 2, 20, documents);
        StepResult step = model.Step([batch], TrainingShapes.Factors);
        float[] losses = new float[batch.Ids.Count];
        EvaluationResult evaluation = model.Evaluate(batch, losses);
        Assert.Equal((step.MainCrossEntropy, step.MtpCrossEntropy), (evaluation.MainLoss / evaluation.Rows, evaluation.MtpLoss / evaluation.MtpRows));
        Assert.Equal((step.CountedRows, step.MtpRows, step.MtpAccepted), (evaluation.Rows, evaluation.MtpRows, evaluation.MtpAccepted));

        ITrainingKernels kernels = SimdKernels.Create(pool);
        ModelWeights weights = new WeightLoader(TrainingShapes.Tiny, new InitialWeights(TrainingShapes.Tiny with { InitializerRange = 0.2 }, 7), kernels).Load(true);
        using PooledWorkspace workspace = new();
        using MellumModel sampler = new(TrainingShapes.Tiny, weights, new ForwardContext(kernels, workspace));
        long correct = 0;
        foreach (var (line, first, count) in batch.Segments(0))
        {
            // Token by token, as a sampler goes.
            using KvCache cache = new(new CachePlan(TrainingShapes.Tiny, sampler.CacheFormat, count, 1, true));
            for (int i = 0; i < count; i++)
            {
                int place = line * batch.Length + first + i, label = batch.Labels[place];
                ForwardBatch one = new();
                one.Add(cache, i, [batch.Ids[place]]);
                Tensor logits = sampler.Logits(sampler.Trunk(one, false, out _), 0, 1);
                Assert.Equal(label < 0 ? 0 : -sampler.LogProbability(logits, 0, label), losses[place]);
                float[] row = sampler.ReadRow(logits, 0).ToArray();
                correct += label == Array.IndexOf(row, row.Max()) ? 1 : 0;
            }
        }
        Assert.Equal(correct, evaluation.Correct);
    }

    [Theory]
    [InlineData(TrainingPrecision.F32, false)]
    [InlineData(TrainingPrecision.F32, true)]
    [InlineData(TrainingPrecision.BF16, false)]
    [InlineData(TrainingPrecision.FP8, true)]
    public void Only_the_first_step_allocates_native_memory(TrainingPrecision precision, bool recompute)
    {
        using WorkerPool pool = new(2);
        IOptimizerKernels kernels = (IOptimizerKernels)SimdKernels.Create(pool);
        using TrainingModel model = TrainingShapes.Create(
            TrainingShapes.Tiny, (ITrainingKernels)kernels, new TrainingModelOptions { Precision = precision, Recompute = recompute });
        using TrainingOptimizer optimizer = Optimizer(model, kernels, withMtp: true);
        TrainingBatch[] batches = [TrainingShapes.Batch(1, 4, 30, documents: true), TrainingShapes.Batch(2, 4, 30)];
        void Step()
        {
            model.Step(batches, TrainingShapes.Factors);
            optimizer.Step(1e-3);
        }
        Step();
        long native = TrainingShapes.NativeBytes(), least = long.MaxValue;
        for (int i = 0; i < 5; i++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            Step();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        Assert.Equal(native, TrainingShapes.NativeBytes());
        Assert.True(least < 256 << 10, $"{least} managed bytes a step");
    }

    private static TrainingOptimizer Optimizer(TrainingModel model, IOptimizerKernels kernels, bool withMtp) => new(
        kernels, ParameterGroups.For(model.Configuration, withMtp, splitGateUp: false, model.Options.Trained), [.. model.Parameters],
        new TrainingOptimizerOptions(new MuonOptions { WeightDecay = 0 }, new AdamWOptions { WeightDecay = 0 }));
}
