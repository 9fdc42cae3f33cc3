using System.Globalization;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Cli;

/// <summary>Compares what a model needs with what there is, before anything large is allocated.</summary>
internal static class MemoryCheck
{
    private const string LinuxMemory = "/proc/meminfo";

    /// <summary>Stops where weights and cache do not fit, unless the user insists.</summary>
    /// <param name="terminal">Told when the user insists.</param>
    /// <param name="settings">Whether the user insists, and the kernels.</param>
    /// <param name="configuration">The model.</param>
    /// <param name="weightBytes">The bytes of its weights in the process.</param>
    /// <param name="deviceBytes">Their bytes on a device, computed where one is asked for.</param>
    /// <param name="withMtp">Whether the MTP head has a cache too.</param>
    /// <param name="context">The tokens that the cache is to hold.</param>
    /// <exception cref="InvalidInputException">They do not fit.</exception>
    public static void Require(
        Terminal terminal, ModelSettings settings, ModelConfiguration configuration, long weightBytes, Func<long> deviceBytes, bool withMtp, long context)
    {
        int tokens = (int)Math.Clamp(context, 1, configuration.MaximumPositions);
        DType format = settings.Reference ? DType.F64
            : settings.Cache ?? (configuration.StoredType == DType.F32 ? DType.F32 : MellumModel.DefaultCacheFormat(configuration));
        long cacheBytes = new CachePlan(configuration, format, tokens, new GenerationOptions().Chunk, withMtp).Bytes;
        if (!settings.OnCpu && GpuDevices.Find(settings.Device) is { } device)
        {
            IReadOnlyList<MemoryPart> running = DevicePlan.Running(
                configuration, withMtp, format, tokens, new GenerationOptions().Chunk, SpeculationOptions.MostDrafts + 1);
            RequireOn(terminal, settings, device, [new MemoryPart("weights", deviceBytes()), .. running]);
            return;
        }
        long available = AvailableBytes();
        if (weightBytes + cacheBytes <= available)
            return;
        string sentence =
            $"The weights take {Quantity.Bytes(weightBytes)} and the cache of {Quantity.Count(tokens)} tokens {Quantity.Bytes(cacheBytes)}, but only {Quantity.Bytes(available)} of memory are available";
        if (!settings.Force)
            throw new InvalidInputException(sentence + "; --force goes on regardless.");
        terminal.Note(sentence + "; going on, as --force says.");
    }

    private static void RequireOn(Terminal terminal, ModelSettings settings, GpuDescription device, IReadOnlyList<MemoryPart> parts)
    {
        try
        {
            new DeviceMemoryPlan(device, parts).Check();
        }
        catch (InvalidInputException e) when (settings.Force)
        {
            terminal.Note($"{e.Message} Going on, as --force says.");
        }
    }

    /// <summary>
    /// The bytes that can still be had without swapping: what the runtime may use (containers limit it), and on Linux what
    /// the kernel says is available.
    /// </summary>
    public static long AvailableBytes()
    {
        long limit = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        if (!File.Exists(LinuxMemory))
            return limit;
        foreach (string line in File.ReadLines(LinuxMemory))
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words is ["MemAvailable:", string number, ..] && long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out long kibibytes))
                return Math.Min(limit, kibibytes * 1024);
        }
        return limit;
    }
}
