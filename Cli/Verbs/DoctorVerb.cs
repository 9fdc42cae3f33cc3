using System.CommandLine;
using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Cli;

/// <summary><c>mellum2 doctor</c>: what this machine offers, what would run on it, and whether it gives the right result.</summary>
internal static class DoctorVerb
{
    private const string LinuxProcessors = "/proc/cpuinfo";
    private const string TestPrompt = "public static int ";
    private const int TestTokens = 8;
    private static readonly string[] s_passed = ["passed", "failed", "not run: the small checkpoint is missing"];

    private static bool IsOptimized =>
        typeof(Mellum).Assembly.GetCustomAttribute<DebuggableAttribute>() is not { IsJITOptimizerDisabled: true };

    public static Command Create(Terminal terminal)
    {
        ModelOptions model = new();
        Command command = new("doctor", "Tells what the machine and its devices offer and what would run, checks the kernels against the float64 reference on the small checkpoint, and measures memory and multipliers.");
        model.AddTo(command);
        command.SetAction(parsed =>
        {
            ModelSettings settings = model.Read(parsed);
            MellumOptions options = ModelLoading.Options(settings);
            (string kernels, int test) = SelfTest(options, terminal.Cancel);
            MachineLimits limits = MachineLimits.Measure(settings.Threads, settings.Width, BenchVerb.BufferBytes());
            string[] sets = [.. Processor.InstructionSets()];
            int threads = settings.Threads == 0 ? Environment.ProcessorCount : settings.Threads;
            VectorWidth width = settings.Width == VectorWidth.Auto ? Processor.WidestVectors : settings.Width;
            if (settings.Json)
                terminal.WriteJson(json =>
                {
                    json.WriteString("device", settings.Device);
                    json.WriteString("processor", ProcessorName());
                    json.WriteNumber("processors", Environment.ProcessorCount);
                    json.WriteStartArray("instruction_sets");
                    foreach (string set in sets)
                        json.WriteStringValue(set);
                    json.WriteEndArray();
                    json.WriteString("widest_vectors", ModelLoading.WidthName(Processor.WidestVectors));
                    json.WriteString("width", ModelLoading.WidthName(width));
                    json.WriteNumber("threads", threads);
                    json.WriteNumber("available_memory_bytes", MemoryCheck.AvailableBytes());
                    json.WriteString("runtime", RuntimeInformation.FrameworkDescription);
                    json.WriteBoolean("optimized_build", IsOptimized);
                    json.WriteString("kernels", kernels);
                    json.WriteString("self_test", s_passed[test]);
                    json.WriteNumber("read_bytes_per_second", limits.ReadBytesPerSecond);
                    json.WriteNumber("fma_flops_per_second", limits.FlopsPerSecond);
                    DoctorDevices.Write(json);
                });
            else
                terminal.WriteTable(["", ""],
                [
                    ["device", settings.Device],
                    ["processor", ProcessorName()],
                    ["processors", Quantity.Text($"{Environment.ProcessorCount}")],
                    ["instruction sets", string.Join(", ", sets)],
                    ["widest vectors", ModelLoading.WidthName(Processor.WidestVectors)],
                    ["vectors in use", ModelLoading.WidthName(width)],
                    ["threads in use", Quantity.Text($"{threads}")],
                    ["memory available", Quantity.Bytes(MemoryCheck.AvailableBytes())],
                    ["runtime", RuntimeInformation.FrameworkDescription],
                    ["build", IsOptimized ? "optimised" : "not optimised (Debug): kernels run many times slower"],
                    ["kernels that would run", kernels],
                    ["self-test", s_passed[test]],
                    ["memory read", Quantity.Text($"{limits.ReadBytesPerSecond / 1e9:F2} GB/s")],
                    ["multiply-add peak", Quantity.Text($"{limits.FlopsPerSecond / 1e9:F1} GFLOP/s")],
                    .. DoctorDevices.Rows(),
                ]);
            return test == 1 ? ExitCode.Defect : ExitCode.Success;
        });
        return command;
    }

    /// <summary>Whether greedy tokens of the small checkpoint are those of the float64 kernels: an index of <see cref="s_passed"/>.</summary>
    private static (string Kernels, int Outcome) SelfTest(MellumOptions options, CancellationToken cancel)
    {
        if (!Directory.Exists(Mellum.DefaultFolder))
            return ("unknown", 2);
        (string kernels, IReadOnlyList<int> fast) = Generate(options, cancel);
        (_, IReadOnlyList<int> exact) = Generate(new MellumOptions { Reference = true }, cancel);
        return (kernels, fast.SequenceEqual(exact) ? 0 : 1);
    }

    private static (string Kernels, IReadOnlyList<int> Ids) Generate(MellumOptions options, CancellationToken cancel)
    {
        using Mellum mellum = Mellum.Load(Mellum.DefaultFolder, options, cancel);
        (_, GenerationResult result) = mellum.Generate(
            TestPrompt, new GenerationOptions { MaxTokens = TestTokens, Speculation = SpeculationOptions.Off }, null, cancel);
        cancel.ThrowIfCancellationRequested();
        return (mellum.Model.Context.Kernels.Description, [.. result.Tokens.Select(token => token.Id)]);
    }

    private static string ProcessorName()
    {
        if (File.Exists(LinuxProcessors))
            foreach (string line in File.ReadLines(LinuxProcessors))
                if (line.StartsWith("model name", StringComparison.Ordinal))
                    return line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
        return RuntimeInformation.ProcessArchitecture.ToString();
    }
}
