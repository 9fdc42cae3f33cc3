using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Bench;

/// <summary>The backward pass against the forward pass of the same operation: operations per second, in turns.</summary>
internal static unsafe class BackwardBench
{
    private const int Heads = 32, KvHeads = 4, Dimension = 128;

    private static readonly (string Name, int T, int N, int K)[] s_products =
    [
        ("1024³", 1024, 1024, 1024),
        ("q of the small MoE 4096×512×512", 4096, 512, 512),
        ("its gate_up 512×512×512", 512, 512, 512),
        ("its down 512×512×256", 512, 512, 256),
        ("its head 512×8192×512", 512, 8192, 512),
        ("mini's q 4096×256×128", 4096, 256, 128),
        ("mini's head 1024×2048×128", 1024, 2048, 128),
        ("q 512×4096×2304", 512, 4096, 2304),
        ("gate_up 512×1792×2304", 512, 1792, 2304),
        ("down 64×2304×896", 64, 2304, 896),
    ];

    /// <summary>Prints GFLOP/s; <c>--threads n</c> is understood, <c>--processor-time</c> takes that of one thread.</summary>
    public static void Run(string[] args)
    {
        BenchClock.OfThread = args.Contains("--processor-time");
        using WorkerPool pool = new(BenchClock.OfThread ? 1 : GemmBench.Option(args, "--threads", 0));
        MachineProbe probe = new(pool);
        ITrainingKernels kernels = SimdKernels.Create(pool);
        ResultTable products = new(
            $"Backward of float32 products, GFLOP/s, {kernels.Description}", "T × N × K", "peak", "forward", "dx", "dw", "forward / peak", "dx / peak", "dw / peak");
        foreach ((string name, int t, int n, int k) in s_products)
        {
            using Tensor x = BenchData.Activations(t, k), y = BenchData.Activations(t, n), dx = Tensor.Allocate(DType.F32, x.Shape);
            using WeightMatrix w = BenchData.Weights(DType.F32, n, k);
            using Tensor dw = Tensor.Allocate(DType.F32, new Shape(n, k)), made = Tensor.Allocate(DType.F32, y.Shape);
            double operations = 2.0 * t * n * k;
            double[] rates = Rates(probe.Operations, operations,
                () => probe.MultiplyAdd(), () => kernels.MatMul(x, w, made), () => kernels.MatMulBackwardInput(y, w, dx), () => kernels.MatMulBackwardWeight(y, x, dw));
            products.Add(name, rates[0], rates[1], rates[2], rates[3], rates[1] / rates[0], rates[2] / rates[0], rates[3] / rates[0]);
        }
        products.Print(args);
        if (args.Contains("--products"))
            return;
        ResultTable attention = new(
            $"Backward of attention, GFLOP/s of useful products (4 forward, 10 backward for a pair), {kernels.Description}", "T, window", "forward", "backward", "ratio");
        foreach ((int rows, int window) in new[] { (512, 0), (2048, 0), (2048, 1024) })
            Attention(kernels, attention, rows, window);
        attention.Print(args);
    }

    private static void Attention(ITrainingKernels kernels, ResultTable table, int rows, int window)
    {
        SequenceRows all = new(0, rows, 0);
        AttentionParameters parameters = new(Heads, window, 1 / MathF.Sqrt(Dimension));
        using KvLayer cache = new(KvHeads, Dimension, DType.F32, rows);
        using Tensor q = BenchData.Activations(rows, Heads * Dimension), kv = BenchData.Activations(rows, KvHeads * Dimension);
        using Tensor y = Tensor.Allocate(DType.F32, q.Shape), lse = Tensor.Allocate(DType.F32, new Shape(rows, Heads));
        using Tensor dq = Tensor.Allocate(DType.F32, q.Shape), dk = Tensor.Allocate(DType.F32, kv.Shape), dv = Tensor.Allocate(DType.F32, kv.Shape);
        kernels.AppendKeyValues(kv, kv, all, cache);
        double pairs = 0;
        for (int p = 0; p < rows; p++)
            pairs += window == 0 ? p + 1 : Math.Min(window, p + 1);
        double operations = pairs * Heads * Dimension;
        double[] rates = Rates(4 * operations, 10 * operations,
            () => kernels.Attention(q, all, cache, parameters, y, lse),
            () => kernels.AttentionBackward(q, all, cache, parameters, y, lse, q, dq, dk, dv));
        table.Add($"{rows}, {window}", rates[0], rates[1], rates[1] / rates[0]);
    }

    // The best rounds: other processes only ever make one slower.
    private static double[] Rates(double first, double others, params Action[] rivals)
    {
        Timing[] timings = Harness.Measure(15, 0.02, 0, [.. rivals.Select((run, i) => new Rival($"{i}", run))]);
        return [.. timings.Select((timing, i) => (i == 0 ? first : others) / timing.Fastest / 1e9)];
    }
}
