using Mellum2.Managed.Bench;

namespace Mellum2.Managed.GpuCheck;

/// <summary>
/// What the device takes for copies, launches, kernels and tokens, beside the roofline's prediction where its data sheet is known.
/// The host's clock runs around batches of work with a wait for the queue at the end; medians of rounds.
/// </summary>
internal static class SpeedChecks
{
    // More than the caches of any device: what is read in turns comes from memory, as the weights of a model do.
    private const long Rotated = 256L << 20;

    public static IEnumerable<Check> All() =>
    [
        Of("bandwidth of copies", CopyBench.Run, runsEmulated: true),
        Of("time of launches", LaunchBench.Run, runsEmulated: true),
        Of("products of the 12B shape", ProductBench.Run),
        Of("attention of the 12B shape", AttentionBench.Run),
        Of("tokens of mini", TokenBench.RunMini),
        Of("tokens of the 12B shape, four layers", TokenBench.RunLayers),
        Of("tokens of the 12B shape, all layers", TokenBench.RunWhole),
    ];

    /// <summary>What a data sheet promises of this device; null where it is not one of those that are known.</summary>
    public static DeviceProfile? Profile(this CheckedDevice device) => DeviceProfile.Of(device.Description.Model);

    /// <summary>Seconds of one call of <paramref name="run"/>, of which <paramref name="batch"/> are queued before the host waits.</summary>
    public static double Time(this CheckedDevice device, int batch, Action<int> run)
    {
        int call = 0;
        (int rounds, double seconds) = device.Extent == Extent.Full && !device.IsProcessor ? (7, 0.2) : (3, 0.02);
        return Harness.Measure(rounds, seconds, 0, new Rival("", () =>
        {
            device.Cancel.ThrowIfCancellationRequested();
            for (int i = 0; i < batch; i++)
                run(call++);
            device.Gpu.Synchronize();
        }))[0].Median / batch;
    }

    /// <summary>How many blocks of that size are to be used in turns, so that none is in a cache when its turn comes.</summary>
    public static int Copies(this CheckedDevice device, long bytes) => device.IsProcessor ? 1 : (int)Math.Clamp(Rotated / bytes, 1, 64);

    private static Check Of(string name, Func<CheckedDevice, IEnumerable<Measurement>> run, bool runsEmulated = false) => new("Speed", name, device =>
    {
        if (device.IsEmulated && !runsEmulated)
            return Outcome.Skipped("the emulator is for checks alone");
        Measurement[] numbers = [.. run(device)];
        return numbers.Length == 0 ? Outcome.Skipped(device.IsProcessor ? "a processor would take minutes" : "the device has not the memory, or --quick leaves it out") : Outcome.Passed("measured") with { Measurements = numbers };
    });
}
