using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Bench;

/// <summary>Float32 products of many rows against OpenBLAS, and of the stored formats against float32.</summary>
internal static unsafe class GemmBench
{
    private static readonly (string Name, int M, int N, int K)[] s_shapes =
    [
        ("512³", 512, 512, 512),
        ("1024³", 1024, 1024, 1024),
        ("2048³", 2048, 2048, 2048),
        ("q 512×4096×2304", 512, 4096, 2304),
        ("k 512×512×2304", 512, 512, 2304),
        ("o 512×2304×4096", 512, 2304, 4096),
        ("gate_up 512×1792×2304", 512, 1792, 2304),
        ("down 512×2304×896", 512, 2304, 896),
    ];

    /// <summary>Prints GFLOP/s on all workers; <c>--rounds n</c> and <c>--threads n</c> are understood.</summary>
    public static void Run(string[] args)
    {
        using WorkerPool pool = new(Option(args, "--threads", 0));
        MachineProbe probe = new(pool);
        int rounds = Option(args, "--rounds", 9);
        string? core = OpenBlas.Load(pool.Count);
        if (core is null)
        {
            Console.WriteLine("libopenblas.so.0 is not there (package libopenblas0-pthread).");
            return;
        }
        SimdKernels<Lanes512> kernels = new(pool);
        ResultTable table = new(
            $"Float32 products, GFLOP/s, {pool.Count} threads, rival OpenBLAS ({core}), median of {rounds} rounds",
            "shape", "peak", "OpenBLAS", "prepared", "packing each call", "BF16", "FP8 block", "prepared / OpenBLAS", "packing / OpenBLAS", "prepared / peak", "BF16 / peak");
        List<double> prepared = [], packing = [], preparedBest = [], packingBest = [];
        foreach ((string name, int m, int n, int k) in s_shapes)
        {
            using Tensor x = BenchData.Activations(m, k), y = Tensor.Allocate(DType.F32, new Shape(m, n));
            using WeightMatrix plain = BenchData.Weights(DType.F32, n, k), panels = kernels.Prepare([plain]);
            using WeightMatrix half = Prepare(kernels, DType.BF16, n, k), eighth = Prepare(kernels, DType.F8E4M3, n, k);
            Timing[] t = Harness.Measure(rounds, 0.03, 70,
                new Rival("peak", () => probe.MultiplyAdd()),
                new Rival("OpenBLAS", () => OpenBlas.MatMul(x.Pointer<float>(), plain.Data.Pointer<float>(), y.Pointer<float>(), m, n, k)),
                new Rival("prepared", () => kernels.MatMul(x, panels, y)),
                new Rival("packing", () => kernels.MatMul(x, plain, y)),
                new Rival("BF16", () => kernels.MatMul(x, half, y)),
                new Rival("FP8", () => kernels.MatMul(x, eighth, y)));
            double Rate(int i) => 2.0 * m * n * k / t[i].Median / 1e9;
            double peak = probe.Operations / t[0].Median / 1e9;
            prepared.Add(Rate(2) / Rate(1));
            packing.Add(Rate(3) / Rate(1));
            preparedBest.Add(t[1].Fastest / t[2].Fastest);
            packingBest.Add(t[1].Fastest / t[3].Fastest);
            table.Add(name, peak, Rate(1), Rate(2), Rate(3), Rate(4), Rate(5), prepared[^1], packing[^1], Rate(2) / peak, Rate(4) / peak);
        }
        table.Print(args);
        ResultTable means = new("Geometric means, and the smallest", "against OpenBLAS", "mean", "smallest", "mean of the best rounds", "smallest of the best rounds");
        means.Add("prepared", Harness.GeometricMean(prepared), prepared.Min(), Harness.GeometricMean(preparedBest), preparedBest.Min());
        means.Add("packing each call", Harness.GeometricMean(packing), packing.Min(), Harness.GeometricMean(packingBest), packingBest.Min());
        means.Print(args);
    }

    internal static int Option(string[] args, string name, int otherwise)
    {
        int at = Array.IndexOf(args, name);
        return at >= 0 && at + 1 < args.Length ? int.Parse(args[at + 1], System.Globalization.CultureInfo.InvariantCulture) : otherwise;
    }

    private static WeightMatrix Prepare(SimdKernels<Lanes512> kernels, DType format, int n, int k)
    {
        using WeightMatrix plain = BenchData.Weights(format, n, k);
        return kernels.Prepare([plain]);
    }
}
