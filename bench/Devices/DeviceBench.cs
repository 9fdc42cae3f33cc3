using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Bench;

/// <summary>A device beside the processor's own kernels: the small checkpoint's tokens, products, and what a token queues.</summary>
internal static class DeviceBench
{
    private const int Tokens = 16;

    /// <summary><c>--device name --rounds n --threads n</c> are understood; the device is the first usable one but the emulator.</summary>
    public static void Run(string[] args)
    {
        int at = Array.IndexOf(args, "--device"), rounds = GemmBench.Option(args, "--rounds", 7), threads = GemmBench.Option(args, "--threads", 0);
        string device = at >= 0 && at + 1 < args.Length ? args[at + 1] : "opencl";
        Decoding(args, device, rounds, threads);
        Products(args, device, rounds, threads);
    }

    private static void Decoding(string[] args, string device, int rounds, int threads)
    {
        using Mellum simd = Mellum.Load(Mellum.DefaultFolder, new MellumOptions { Threads = threads, LoadMtp = false });
        using Mellum other = Mellum.Load(Mellum.DefaultFolder, new MellumOptions { Device = device, LoadMtp = false });
        GpuDevice gpu = other.Model.Context.Kernels.Device as GpuDevice
            ?? throw new InvalidInputException($"--device {device} is the processor; a device to compare with it is expected.");
        using TokenDecoder here = Decoder(simd.Model), there = Decoder(other.Model);
        Generate(there);
        long launches = gpu.Launches;
        _ = there.TryNext(out _);
        launches = gpu.Launches - launches;
        int layers = other.Model.Configuration.LayerCount;
        Timing[] t = Harness.Measure(rounds, 0.2, 0, new Rival("SIMD", () => Generate(here)), new Rival(device, () => Generate(there)));
        ResultTable table = new(
            $"{Tokens} greedy tokens of the small checkpoint after a prompt of two, SIMD and {other.Model.Context.Kernels.Description}",
            "", "SIMD tokens/s", "device tokens/s", "device / SIMD", "launches a token", "launches a layer, all counted");
        table.Add("decoding", Tokens / t[0].Median, Tokens / t[1].Median, t[0].Median / t[1].Median, launches, (double)launches / layers);
        table.Print(args);
    }

    private static void Products(string[] args, string device, int rounds, int threads)
    {
        using WorkerPool pool = new(threads);
        SimdKernels<Lanes512> here = new(pool);
        using GpuDevice gpu = GpuDevices.Open(device);
        using GpuKernels there = new(gpu);
        ResultTable table = new(
            $"Products with [{2 * 896}, 2304], SIMD with {pool.Count} threads and {there.Description}",
            "format", "rows", "SIMD GFLOP/s", "device GFLOP/s", "device / SIMD");
        foreach (DType format in (DType[])[DType.F32, DType.BF16, DType.F8E4M3])
        {
            using WeightMatrix plain = BenchData.Weights(format, 2 * 896, 2304);
            using WeightMatrix a = here.Prepare([plain]), b = there.Prepare([plain]);
            foreach (int rows in (int[])[1, 8, 512])
            {
                using Tensor x = BenchData.Activations(rows, 2304), y = Tensor.Allocate(DType.F32, new Shape(rows, a.Rows));
                using Tensor dx = x.CopyTo(gpu), dy = Tensor.Allocate(DType.F32, new Shape(rows, a.Rows), gpu);
                Timing[] t = Harness.Measure(rounds, 0.05, 0,
                    new Rival("SIMD", () => here.MatMul(x, a, y)),
                    new Rival(device, () =>
                    {
                        there.MatMul(dx, b, dy);
                        gpu.Synchronize();
                    }));
                double flops = 2.0 * rows * a.Rows * a.Columns;
                table.Add(format.Name(), rows, flops / t[0].Median / 1e9, flops / t[1].Median / 1e9, t[0].Median / t[1].Median);
            }
        }
        table.Print(args);
    }

    private static TokenDecoder Decoder(MellumModel model) => new(model, new DecoderOptions
    {
        Context = 64,
        Sampler = StandardSampler.Create(SamplerOptions.Greedy, model.Configuration.VocabularySize),
    });

    private static void Generate(TokenDecoder decoder)
    {
        decoder.Prefill([1, 2]);
        for (int i = 0; i < Tokens; i++)
            _ = decoder.TryNext(out _);
    }
}
