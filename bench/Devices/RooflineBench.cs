using System.Globalization;
using System.Text;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Bench;

/// <summary>
/// What a forward pass of the released shape must take at least on devices that nobody here has measured: bytes over bandwidth, or
/// operations over the peak. A first run on a real device has this to be compared with.
/// </summary>
internal static class RooflineBench
{
    private const int DecodeContext = 4096;
    private const int PrefillTokens = 512;

    public static void Run(string[] _) => Console.Write(Tables());

    /// <summary>The devices and the predictions as Markdown; ROOFLINE.md ends with it.</summary>
    public static string Tables() => $"{Devices()}\n{Table(DType.BF16)}\n{Table(DType.F8E4M3)}\n{Table(DType.F8E4M3, roundsRows: true)}";

    private static string Devices()
    {
        StringBuilder text = new();
        Line(text, "## The devices").Append('\n');
        Line(text, "| device | memory, GB | GB/s | L2 cache, MiB | BF16 tensor, TFLOPS | FP8 tensor, TFLOPS | float32, TFLOPS | from NVIDIA's |");
        Line(text, "|---|---:|---:|---:|---:|---:|---:|---|");
        foreach (DeviceProfile device in DeviceProfile.All)
            Line(text, Invariant(
                $"| {device.Name} | {device.MemoryBytes / 1e9:N0} | {device.BytesPerSecond / 1e9:N0} | {device.CacheBytes / (1 << 20):N0} | {device.TensorFlopsPerSecond / 1e12:N1} | {device.Fp8FlopsPerSecond / 1e12:N1} | {device.FlopsPerSecond / 1e12:N1} | {device.Source} |"));
        return text.ToString();
    }

    private static string Table(DType weights, bool roundsRows = false)
    {
        StringBuilder text = new();
        ModelConfiguration shape = ModelConfiguration.Named("mellum2-12b");
        string operands = roundsRows ? $"{weights.Name()} weights and rows" : $"{weights.Name()} weights";
        Append(text, Invariant($"A token at position {DecodeContext:N0}, {operands}"), KernelWork.Of(shape, weights, 1, DecodeContext, roundsRows), 1);
        text.Append('\n');
        Append(text, $"A prompt of {PrefillTokens} tokens, {operands}", KernelWork.Of(shape, weights, PrefillTokens, 0, roundsRows), PrefillTokens);
        return text.ToString();
    }

    private static void Append(StringBuilder text, string title, IReadOnlyList<KernelWork> kernels, int tokens)
    {
        IReadOnlyList<DeviceProfile> devices = DeviceProfile.All;
        Line(text, Invariant($"## {title} (prediction)")).Append('\n');
        Line(text, Invariant($"| kernel | MB | GFLOP | FLOP/byte | {string.Join(" | ", devices.Select(device => $"{device.Name}, µs"))} |"));
        Line(text, Invariant($"|---|---:|---:|---:|{string.Concat(devices.Select(_ => "---:|"))}"));
        foreach (KernelWork work in kernels)
            Line(text, Row(work.Kernel, work.Bytes, work.Flops, devices.Select(work.Seconds)));
        double[] totals = [.. devices.Select(device => kernels.Sum(work => work.Seconds(device)))];
        Line(text, Row("**all**", kernels.Sum(work => work.Bytes), kernels.Sum(work => work.Flops), totals));
        Line(text, Invariant($"| **tokens/s** | | | | {string.Join(" | ", totals.Select(seconds => (tokens / seconds).ToString("N0", CultureInfo.InvariantCulture)))} |"));
    }

    // The same file on every system.
    private static StringBuilder Line(StringBuilder text, string line) => text.Append(line).Append('\n');

    private static string Row(string name, double bytes, double flops, IEnumerable<double> seconds) => Invariant(
        $"| {name} | {bytes / 1e6:N2} | {flops / 1e9:N3} | {flops / bytes:N1} | {string.Join(" | ", seconds.Select(s => (s * 1e6).ToString("N1", CultureInfo.InvariantCulture)))} |");

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
