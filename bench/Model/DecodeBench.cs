using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Bench;

/// <summary>A decoded token of the released shape against a plain read of the bytes that it reads.</summary>
internal static unsafe class DecodeBench
{
    /// <summary><c>--layers n --dtype fp8|bf16|f32 --context n --rounds n --threads n</c> are understood.</summary>
    public static void Run(string[] args)
    {
        int layers = GemmBench.Option(args, "--layers", 4), context = GemmBench.Option(args, "--context", 64);
        DType format = BenchModel.ParseFormat(args, DType.F8E4M3);
        using WorkerPool pool = new(GemmBench.Option(args, "--threads", 0));
        MachineProbe probe = new(pool);
        using BenchModel model = new(layers, format, pool.Count);
        using TokenDecoder decoder = model.Decoder(context + 4096);
        decoder.Prefill(model.Prompt(context, 1));
        long bytes = (long)model.TokenBytes;
        // Longer than any cache, and read from another place each time.
        using NativeBuffer memory = new(4 * bytes);
        int next = 0;
        Timing[] t = Harness.Measure(GemmBench.Option(args, "--rounds", 15), 0.3, 0,
            new Rival("read", () => probe.Read(memory.Pointer + next++ % 4 * (bytes / 64 * 64), bytes)),
            new Rival("token", () => decoder.TryNext(out _)));
        ResultTable table = new(
            $"Decoding, {layers} layers of the 12B shape, {format}, context {context}, {pool.Count} threads",
            "", "tokens/s", "MB a token", "GB/s", "plain read GB/s", "share of the read");
        table.Add("token", 1 / t[1].Median, bytes / 1e6, bytes / t[1].Median / 1e9, bytes / t[0].Median / 1e9, t[0].Median / t[1].Median);
        table.Print(args);
    }
}
