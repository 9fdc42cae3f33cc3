using Mellum2.Managed.Engine;

namespace Mellum2.Managed.GpuCheck;

/// <summary>Where the program writes, and what can be put in place of its own: checks, goldens, the way to a device.</summary>
/// <param name="Output">Standard output.</param>
/// <param name="Error">Standard error.</param>
public sealed record Surroundings(TextWriter Output, TextWriter Error)
{
    /// <summary>Whether lines on the output may be wiped off.</summary>
    public bool IsTerminal { get; init; }

    /// <summary>Stands for Ctrl+C.</summary>
    public CancellationToken Cancel { get; init; }

    /// <summary>The checks; null for <see cref="CheckList.For"/>.</summary>
    public Func<CheckedDevice, IReadOnlyList<Check>>? Checks { get; init; }

    /// <summary>The checkpoints; null for those inside of the program.</summary>
    public GoldenFiles? Goldens { get; init; }

    /// <summary>Opens a device; null for <see cref="GpuDevices.Open"/>.</summary>
    public Func<string, GpuDevice>? Open { get; init; }
}
