using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;
using Mellum2.Managed.Training;

namespace Mellum2.Managed.Bench;

/// <summary>
/// Training steps of a model with random weights: forward and backward against the peak of fused multiply-adds, measured in
/// turns with it, split by operation; the optimizer apart. Operations: six for each token and weight that it is multiplied
/// by, twelve for each visible pair, head and dimension.
/// </summary>
internal static class TrainBench
{
    // Long enough that the clock is the one of a step.
    private const int PeakCalls = 20;

    /// <summary>
    /// <c>--shape small|mini --precision f32|bf16|fp8 --recompute --rounds n --threads n --no-optimizer</c> are understood; <c>--processor-time</c> takes that of one
    /// thread.
    /// </summary>
    public static void Run(string[] args)
    {
        BenchClock.OfThread = args.Contains("--processor-time");
        using WorkerPool pool = new(BenchClock.OfThread ? 1 : GemmBench.Option(args, "--threads", 0));
        MachineProbe probe = new(pool);
        bool mini = Array.IndexOf(args, "mini") > 0;
        (ModelConfiguration configuration, int rows, int length) = mini ? (ModelConfiguration.Named("mini"), 16, 256) : (ModelConfiguration.Named("small-moe"), 8, 512);
        int rounds = GemmBench.Option(args, "--rounds", mini ? 30 : 5);
        OperationTimes times = new(), updates = new();
        ITrainingKernels kernels = SimdKernels.Create(pool);
        TrainingPrecision precision = args.Contains("bf16") ? TrainingPrecision.BF16 : args.Contains("fp8") ? TrainingPrecision.FP8 : TrainingPrecision.F32;
        using TrainingModel model = new(
            configuration, new RandomWeights(DType.F32, 1), mini, new TimedKernels(kernels, times),
            new TrainingModelOptions { Precision = precision, Recompute = args.Contains("--recompute") });
        using TrainingOptimizer optimizer = new(
            new TimedKernels(kernels, updates), ParameterGroups.For(configuration, mini), [.. model.Parameters],
            new TrainingOptimizerOptions(new MuonOptions(), new AdamWOptions()));
        TrainingBatch batch = Batch(configuration, rows, length);
        double[] peak = new double[rounds], step = new double[rounds], update = new double[rounds];
        for (int round = -2; round < rounds; round++)
        {
            if (round == 0)
            {
                times.Clear();
                updates.Clear();
            }
            int at = Math.Max(round, 0);
            peak[at] = Time(() =>
            {
                for (int i = 0; i < PeakCalls; i++)
                    probe.MultiplyAdd();
            }) / PeakCalls;
            step[at] = Time(() => model.Step([batch], new LossFactors(0.3f, 1e-3f, 1e-4f)));
            if (!args.Contains("--no-optimizer"))
                update[at] = Time(() => optimizer.Step(1e-4));
        }
        double fastest = probe.Operations / Median(peak);
        double operations = rows * new TrainingCost(configuration, mini).FlopsOf(length);
        ResultTable table = new(
            $"Training, {(mini ? "the shape of tests/golden/mini with MTP head" : "512 wide, 8 layers, 32 experts")}, {rows} × {length} tokens, {precision}, {kernels.Description}, median of {rounds} rounds",
            "", "ms", "tokens/s", "GFLOP/s", "of the peak", "of the peak, best rounds");
        double bestPeak = probe.Operations / peak.Min();
        double Share(double seconds, double highest) => operations / seconds / highest;
        table.Add("forward + backward", Median(step) * 1e3, rows * length / Median(step), operations / Median(step) / 1e9, Share(Median(step), fastest), Share(step.Min(), bestPeak));
        double[] both = [.. step.Zip(update, (a, b) => a + b)];
        table.Add("with the optimizer", Median(both) * 1e3, rows * length / Median(both), operations / Median(both) / 1e9, Share(Median(both), fastest), Share(both.Min(), bestPeak));
        table.Add("peak", Median(peak) * 1e3, 0, fastest / 1e9, 1, 1);
        table.Print(args);
        Split("Forward and backward by operation", times, step.Sum(), rounds, fastest, args);
        Split("The optimizer by operation", updates, update.Sum(), rounds, fastest, args);
    }

    private static void Split(string title, OperationTimes times, double seconds, int rounds, double peak, string[] args)
    {
        ResultTable table = new(title, "operation", "calls a step", "ms a step", "share of the time", "GFLOP a step", "GFLOP/s", "of the peak");
        foreach (var (name, sum, operations, calls) in times.Sorted)
            table.Add(name, calls / rounds, sum / rounds * 1e3, sum / seconds, operations / rounds / 1e9, operations / sum / 1e9, operations / sum / peak);
        double rest = seconds - times.Seconds;
        table.Add("outside of operations", 0, rest / rounds * 1e3, rest / seconds, 0, 0, 0);
        table.Print(args);
    }

    internal static TrainingBatch Batch(ModelConfiguration configuration, int rows, int length)
    {
        Random random = new(5);
        int[] text = [.. Enumerable.Range(0, rows * (length + 2)).Select(_ => random.Next(configuration.VocabularySize))];
        int[] At(int shift) => [.. Enumerable.Range(0, rows * length).Select(i => text[i / length * (length + 2) + i % length + shift])];
        return new TrainingBatch(length, At(0), At(1), At(2));
    }

    private static double Time(Action action)
    {
        double start = BenchClock.Seconds();
        action();
        return BenchClock.Seconds() - start;
    }

    private static double Median(double[] values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[sorted.Length / 2] + sorted[(sorted.Length - 1) / 2]) / 2;
    }
}
