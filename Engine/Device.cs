namespace Mellum2.Managed.Engine;

/// <summary>Where a tensor's bytes are and where its kernels run.</summary>
public sealed class Device
{
    private Device(string name) => Name = name;

    /// <summary>The memory of this process.</summary>
    public static Device Cpu { get; } = new("cpu");

    /// <summary>The name, <c>cpu</c> for example.</summary>
    public string Name { get; }

    /// <inheritdoc/>
    public override string ToString() => Name;
}
