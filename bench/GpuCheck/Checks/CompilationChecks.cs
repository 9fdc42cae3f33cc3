using System.Diagnostics;
using System.Globalization;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.GpuCheck;

/// <summary>Every kernel through ILGPU's compiler and the driver's.</summary>
internal static class CompilationChecks
{
    public static IEnumerable<Check> All() => [new("Compilation", "every kernel", Compile)];

    private static Outcome Compile(CheckedDevice device)
    {
        List<string> failed = [];
        int compiled = 0, others = 0;
        (string Name, double Seconds) slowest = ("", 0);
        foreach (IGpuKernel kernel in device.Kernels().All)
        {
            device.Cancel.ThrowIfCancellationRequested();
            if (kernel.NeedsCuda > device.Description.ComputeCapability)
            {
                others++;
                continue;
            }
            long start = Stopwatch.GetTimestamp();
            try
            {
                kernel.Compile(device.Gpu);
                compiled++;
            }
            catch (InvalidInputException e)
            {
                failed.Add(e.Message);
                device.Renew();
            }
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            if (seconds > slowest.Seconds)
                slowest = (kernel.Name, seconds);
        }
        string rest = others == 0 ? "" : $"; {others} are for other devices";
        return failed.Count == 0
            ? Outcome.Passed(string.Create(CultureInfo.InvariantCulture, $"{compiled} compiled, the slowest {slowest.Name} in {slowest.Seconds:F2} s{rest}"))
            : Outcome.Failed($"{compiled} compiled, {failed.Count} not: {string.Join(' ', failed)}");
    }
}
