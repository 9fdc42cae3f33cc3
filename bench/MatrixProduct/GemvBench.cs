using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Bench;

/// <summary>Products of one to sixteen rows with a matrix that is larger than the caches, against reading its bytes.</summary>
internal static unsafe class GemvBench
{
    private const int N = 98304;
    private const int K = 2304;

    /// <summary>Prints GB/s of weight bytes; <c>--rounds n</c> and <c>--threads n</c> are understood.</summary>
    public static void Run(string[] args)
    {
        int rounds = GemmBench.Option(args, "--rounds", 9);
        using WorkerPool pool = new(GemmBench.Option(args, "--threads", 0));
        MachineProbe probe = new(pool);
        SimdKernels<Lanes512> kernels = new(pool);
        int[] rows = [1, 2, 3, 4, 5, 6, 7, 8, 12, 16];
        ResultTable table = new(
            $"Products of few rows with [{N}, {K}], {pool.Count} threads, median of {rounds} rounds",
            "format", "rows", "plain read GB/s", "weights GB/s", "share of the read", "best share", "time against one row");
        foreach (DType format in (DType[])[DType.BF16, DType.F8E4M3])
        {
            using WeightMatrix plain = BenchData.Weights(format, N / 2, K);
            using WeightMatrix w = kernels.Prepare([plain, plain]);
            Tensor[] x = [.. rows.Select(m => BenchData.Activations(m, K))];
            Tensor[] y = [.. rows.Select(m => Tensor.Allocate(DType.F32, new Shape(m, N)))];
            Rival[] rivals =
            [
                new Rival("read", () => probe.Read(w.Data.Data, w.Data.ByteLength)),
                .. rows.Select((_, i) => new Rival(format.Name(), () => kernels.MatMul(x[i], w, y[i]))),
            ];
            Timing[] t = Harness.Measure(rounds, 0.02, 0, rivals);
            for (int i = 0; i < rows.Length; i++)
            {
                table.Add(format.Name(), rows[i], w.Data.ByteLength / t[0].Median / 1e9, w.Data.ByteLength / t[i + 1].Median / 1e9,
                    t[0].Median / t[i + 1].Median, t[0].Fastest / t[i + 1].Fastest, t[i + 1].Median / t[1].Median);
            }
            foreach (Tensor tensor in x.Concat(y))
                tensor.Dispose();
        }
        table.Print(args);
    }
}
