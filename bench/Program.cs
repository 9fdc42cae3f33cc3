using BenchmarkDotNet.Running;
using Mellum2.Managed.Bench;
using Mellum2.Managed.Engine;

// Comparisons with rivals and floors run interleaved in one process; "micro" hands over to BenchmarkDotNet.
(string Name, string What, Action<string[]> Run)[] benches =
[
    ("gemm", "float32 products against OpenBLAS, and of BF16 and FP8 weights", GemmBench.Run),
    ("gemv", "decode products against a plain read", GemvBench.Run),
    ("attention", "attention of prefill and decode against the peak and a plain read", _ => AttentionBench.Run()),
    ("backward", "backward of products and of attention against their forward", BackwardBench.Run),
    ("decode", "a token of the 12B shape against a plain read of its bytes", DecodeBench.Run),
    ("prefill", "prefill of the 12B shape against the float32 product", PrefillBench.Run),
    ("verify", "verifying M tokens of the 12B shape against one", VerifyBench.Run),
    ("corpus", "the training text of Experiments/ out of unpacked packages", CorpusBench.Run),
    ("train", "steps of a small MoE against the peak, split by operation", TrainBench.Run),
    ("precision", "training steps in F32, BF16 and FP8 in turns", PrecisionBench.Run),
    ("held-out", "bits per byte of checkpoints on the held-out text of Experiments/", HeldOutBench.Run),
    ("newton-schulz", "the orthogonalisation of Muon against the peak", NewtonSchulzBench.Run),
    ("speculation", "the small checkpoint, plain and with drafts", SpeculationBench.Run),
    ("devices", "a CUDA or OpenCL device beside the processor's kernels; --device NAME", DeviceBench.Run),
    ("roofline", "the least time of the 12B shape's kernels on GPUs, predicted", RooflineBench.Run),
    ("tokenizer", "encoding against Hugging Face's library", rest => TokenizerBench.Run(rest)),
    ("micro", "kernels one by one, with BenchmarkDotNet", rest => BenchmarkSwitcher.FromAssembly(typeof(Harness).Assembly).Run(rest)),
];
string name = args.FirstOrDefault() ?? "";
foreach (var bench in benches)
{
    if (bench.Name != name)
        continue;
    try
    {
        bench.Run(args[1..]);
        return 0;
    }
    catch (InvalidInputException e)
    {
        Console.Error.WriteLine(e.Message);
        return 1;
    }
}
Console.Error.WriteLine("Usage: dotnet run -c Release --project bench -- NAME [options] [--json]");
foreach (var bench in benches)
    Console.Error.WriteLine($"  {bench.Name,-12} {bench.What}");
return 2;
