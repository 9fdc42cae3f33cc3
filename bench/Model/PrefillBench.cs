using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Bench;

/// <summary>Prefill of the released shape against the engine's own float32 product of prepared weights.</summary>
internal static class PrefillBench
{
    /// <summary><c>--layers n --dtype fp8|bf16|f32 --tokens n --rounds n --threads n</c> are understood.</summary>
    public static void Run(string[] args)
    {
        int layers = GemmBench.Option(args, "--layers", 4), tokens = GemmBench.Option(args, "--tokens", 512);
        DType format = BenchModel.ParseFormat(args, DType.F8E4M3);
        using WorkerPool pool = new(GemmBench.Option(args, "--threads", 0));
        MachineProbe probe = new(pool);
        using BenchModel model = new(layers, format, pool.Count);
        using TokenDecoder decoder = model.Decoder(tokens + 16);
        SimdKernels<Lanes512> kernels = new(pool);
        int hidden = model.Configuration.HiddenSize, width = model.Configuration.QuerySize;
        using Tensor x = BenchData.Activations(tokens, hidden), y = Tensor.Allocate(DType.F32, new Shape(tokens, width));
        using WeightMatrix plain = BenchData.Weights(DType.F32, width, hidden), panels = kernels.Prepare([plain]);
        int first = 0;
        Timing[] t = Harness.Measure(GemmBench.Option(args, "--rounds", 9), 0.2, 0,
            new Rival("peak", () => probe.MultiplyAdd()),
            new Rival("product", () => kernels.MatMul(x, panels, y)),
            new Rival("prefill", () =>
            {
                decoder.Prefill(model.Prompt(tokens, ++first));
                decoder.Stop();
            }));
        double peak = probe.Operations / t[0].Median / 1e9;
        double product = 2.0 * tokens * hidden * width / t[1].Median / 1e9;
        double prefill = model.PrefillOperations(tokens) / t[2].Median / 1e9;
        ResultTable table = new(
            $"Prefill of {tokens} tokens, {layers} layers of the 12B shape, {format}, {pool.Count} threads",
            "", "tokens/s", "GFLOP/s", "F32 product GFLOP/s", "peak GFLOP/s", "of the product", "of the peak");
        table.Add("prefill", tokens / t[2].Median, prefill, product, peak, prefill / product, prefill / peak);
        table.Print(args);
    }
}
