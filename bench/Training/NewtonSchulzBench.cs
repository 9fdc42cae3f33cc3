using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Bench;

/// <summary>
/// Newton-Schulz against the peak of fused multiply-adds. All products are counted in full, though one triangle of the
/// symmetric ones is computed: above 100 % means faster than products alone could be at the peak. The rival is the
/// iteration's products, and nothing but them, by OpenBLAS.
/// </summary>
internal static unsafe class NewtonSchulzBench
{
    private static readonly (string Name, int Matrices, int Rows, int Columns)[] s_shapes =
    [
        ("down of 32 experts, 32×256×512", 32, 256, 512),
        ("gate_up of 32 experts, 32×1024×512", 32, 1024, 512),
        ("one of them, 256×512", 1, 256, 512),
        ("q of 12B, 4096×2304", 1, 4096, 2304),
        ("gate_up of two experts of 12B, 2×1792×2304", 2, 1792, 2304),
    ];

    /// <summary>Prints milliseconds and shares of the peak; <c>--rounds n</c> and <c>--threads n</c> are understood.</summary>
    public static void Run(string[] args)
    {
        using WorkerPool pool = new(GemmBench.Option(args, "--threads", 0));
        MachineProbe probe = new(pool);
        int rounds = GemmBench.Option(args, "--rounds", 7);
        string rival = OpenBlas.Load(pool.Count) ?? "not installed";
        IOptimizerKernels kernels = (IOptimizerKernels)SimdKernels.Create(pool);
        ResultTable table = new(
            $"Newton-Schulz, 5 steps, {kernels.Description}, rival OpenBLAS ({rival}), median of {rounds} rounds",
            "matrices", "ms", "peak GFLOP/s", "GFLOP/s", "share of peak", "of the best rounds", "OpenBLAS time / ours", "of the best rounds");
        int steps = NewtonSchulzSteps.Quintic.Length;
        foreach ((string name, int matrices, int rows, int columns) in s_shapes)
        {
            using Tensor u = Tensor.Allocate(DType.F32, new Shape(matrices, rows, columns)), o = Tensor.Allocate(DType.F32, u.Shape);
            Random random = new(7);
            foreach (ref float value in u.Span<float>())
                value = random.NextSingle() - 0.5f;
            int m = Math.Min(rows, columns), n = Math.Max(rows, columns);
            using Tensor p = Tensor.Allocate(DType.F32, new Shape(m, m)), q = Tensor.Allocate(DType.F32, new Shape(m, m));
            // One matrix's products, as often as all matrices need them.
            float* x = u.Pointer<float>(), y = o.Pointer<float>();
            Timing[] t = Harness.Measure(rounds, 0.05, 70,
                new Rival("peak", () => probe.MultiplyAdd()),
                new Rival("newton-schulz", () => kernels.NewtonSchulz(u, NewtonSchulzSteps.Quintic, 1e-7, o)),
                new Rival("OpenBLAS", () =>
                {
                    for (int i = 0; i < matrices * steps && rival != "not installed"; i++)
                    {
                        OpenBlas.MatMul(x, x, p.Pointer<float>(), m, m, n);
                        OpenBlas.MatMul(p.Pointer<float>(), p.Pointer<float>(), q.Pointer<float>(), m, m, m);
                        OpenBlas.MatMul(q.Pointer<float>(), x, y, m, n, m);
                    }
                }));
            double operations = matrices * NewtonSchulzSteps.Operations(rows, columns, steps), peak = probe.Operations;
            double rate = operations / t[1].Median, highest = peak / t[0].Median;
            table.Add(
                name, t[1].Median * 1e3, highest / 1e9, rate / 1e9, rate / highest, operations / t[1].Fastest / (peak / t[0].Fastest),
                t[2].Median / t[1].Median, t[2].Fastest / t[1].Fastest);
        }
        table.Print(args);
    }
}
