namespace Mellum2.Managed.GpuCheck;

/// <summary>Every check, in the order in which they are run.</summary>
public static class CheckList
{
    /// <summary>All checks for a device: those that it has nothing for are left out.</summary>
    public static IReadOnlyList<Check> For(CheckedDevice device) =>
    [
        .. DeviceChecks.All(),
        .. CompilationChecks.All(),
        .. OperationChecks.All(),
        .. ModelChecks.All(device),
        .. SameBitsChecks.All(device),
        .. MemoryChecks.All(device),
        .. SpeedChecks.All(),
    ];
}
