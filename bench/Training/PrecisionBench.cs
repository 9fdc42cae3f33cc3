using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;
using Mellum2.Managed.Training;

namespace Mellum2.Managed.Bench;

/// <summary>What a training step costs in the precisions, in turns: forward and backward of the shapes of <see cref="TrainBench"/>.</summary>
internal static class PrecisionBench
{
    /// <summary><c>--shape small|mini --rounds n --threads n --processor-time</c> are understood.</summary>
    public static void Run(string[] args)
    {
        BenchClock.OfThread = args.Contains("--processor-time");
        using WorkerPool pool = new(BenchClock.OfThread ? 1 : GemmBench.Option(args, "--threads", 0));
        bool mini = Array.IndexOf(args, "mini") > 0;
        var (configuration, rows, length) = mini ? (ModelConfiguration.Named("mini"), 16, 256) : (ModelConfiguration.Named("small-moe"), 8, 512);
        int rounds = GemmBench.Option(args, "--rounds", mini ? 15 : 3);
        ITrainingKernels kernels = SimdKernels.Create(pool);
        TrainingPrecision[] precisions = Enum.GetValues<TrainingPrecision>();
        TrainingModel[] models = [.. precisions.Select(precision => new TrainingModel(
            configuration, new RandomWeights(DType.F32, 1), mini, kernels, new TrainingModelOptions { Precision = precision }))];
        TrainingBatch batch = TrainBench.Batch(configuration, rows, length);
        double[][] seconds = [.. models.Select(_ => new double[rounds])];
        for (int round = -1; round < rounds; round++)
        {
            for (int i = 0; i < models.Length; i++)
            {
                double start = BenchClock.Seconds();
                models[i].Step([batch], new LossFactors(0.3f, 1e-3f, 1e-4f));
                seconds[i][Math.Max(round, 0)] = BenchClock.Seconds() - start;
            }
        }
        ResultTable table = new(
            $"A training step by precision, {(mini ? "the shape of tests/golden/mini with MTP head" : "512 wide, 8 layers, 32 experts")}, {rows} × {length} tokens, {kernels.Description}, {rounds} rounds in turns",
            "precision", "ms", "of F32 in its round, median", "best of best", "MB of rounded weights", "MB of activations");
        for (int i = 0; i < models.Length; i++)
        {
            double[] ratios = [.. seconds[i].Zip(seconds[0], (own, single) => own / single).Order()];
            table.Add(
                $"{precisions[i]}", seconds[i].Order().ElementAt(rounds / 2) * 1e3, ratios[rounds / 2], seconds[i].Min() / seconds[0].Min(),
                models[i].RoundedWeightBytes / 1e6, models[i].ActivationBytes / 1e6);
            models[i].Dispose();
        }
        table.Print(args);
    }
}
