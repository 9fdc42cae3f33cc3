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

    public static void Run(string[] args) => Console.Write(Table(args.Contains("--fp8") ? DType.F8E4M3 : DType.BF16));

    /// <summary>The predictions as Markdown.</summary>
    public static string Table(DType weights)
    {
        StringBuilder text = new();
        ModelConfiguration shape = ModelConfiguration.Named("mellum2-12b");
        Append(text, $"A token at position {DecodeContext:N0}, {weights.Name()} weights", KernelWork.Of(shape, weights, 1, DecodeContext), 1);
        text.AppendLine();
        Append(text, $"A prompt of {PrefillTokens} tokens, {weights.Name()} weights", KernelWork.Of(shape, weights, PrefillTokens, 0), PrefillTokens);
        return text.ToString();
    }

    private static void Append(StringBuilder text, string title, IReadOnlyList<KernelWork> kernels, int tokens)
    {
        IReadOnlyList<DeviceProfile> devices = DeviceProfile.All;
        text.AppendLine(Invariant($"## {title} (prediction)")).AppendLine();
        text.AppendLine(Invariant($"| kernel | MB | GFLOP | FLOP/byte | {string.Join(" | ", devices.Select(device => $"{device.Name}, µs"))} |"));
        text.AppendLine(Invariant($"|---|---:|---:|---:|{string.Concat(devices.Select(_ => "---:|"))}"));
        foreach (KernelWork work in kernels)
            text.AppendLine(Row(work.Kernel, work.Bytes, work.Flops, devices.Select(work.Seconds)));
        double[] totals = [.. devices.Select(device => kernels.Sum(work => work.Seconds(device)))];
        text.AppendLine(Row("**all**", kernels.Sum(work => work.Bytes), kernels.Sum(work => work.Flops), totals));
        text.AppendLine(Invariant($"| **tokens/s** | | | | {string.Join(" | ", totals.Select(seconds => (tokens / seconds).ToString("N0", CultureInfo.InvariantCulture)))} |"));
    }

    private static string Row(string name, double bytes, double flops, IEnumerable<double> seconds) => Invariant(
        $"| {name} | {bytes / 1e6:N2} | {flops / 1e9:N3} | {flops / bytes:N1} | {string.Join(" | ", seconds.Select(s => (s * 1e6).ToString("N1", CultureInfo.InvariantCulture)))} |");

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
