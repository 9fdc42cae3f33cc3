using System.Globalization;

namespace Mellum2.Managed.Engine;

/// <summary>A part of what a job needs on a device.</summary>
/// <param name="Name">What it is for, <c>weights</c> for example.</param>
/// <param name="Bytes">How much it takes.</param>
public readonly record struct MemoryPart(string Name, long Bytes);

/// <summary>What a job will need on a device, computed before anything is allocated.</summary>
/// <param name="Device">The device.</param>
/// <param name="Parts">Everything that will be allocated.</param>
public sealed record DeviceMemoryPlan(GpuDescription Device, IReadOnlyList<MemoryPart> Parts)
{
    /// <summary>The sum of the parts.</summary>
    public long Total => Parts.Sum(part => part.Bytes);

    /// <summary>Refuses a job that cannot fit.</summary>
    /// <exception cref="InvalidInputException">The parts are larger than the device's memory; the message has the numbers.</exception>
    public void Check()
    {
        if (Total > Device.MemoryBytes)
            throw new InvalidInputException(
                $"The device {Device.Name} ({Device.Model}) has {Number(Device.MemoryBytes)} bytes of memory, but {Number(Total)} are needed: {string.Join(", ", Parts.Select(part => $"{part.Name} {Number(part.Bytes)}"))}.");
    }

    private static string Number(long bytes) => bytes.ToString("N0", CultureInfo.InvariantCulture);
}
