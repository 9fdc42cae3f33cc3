namespace Mellum2.Managed.Engine;

/// <summary>Where a tensor's bytes are and where its kernels run: the memory of this process or a <see cref="GpuDevice"/>.</summary>
public abstract class Device
{
    private protected Device(string name) => Name = name;

    /// <summary>The memory of this process.</summary>
    public static Device Cpu { get; } = new HostDevice();

    /// <summary>The name, <c>cpu</c> or <c>cuda:0</c> for example.</summary>
    public string Name { get; }

    /// <summary>A tensor on this device whose memory has room for at least <paramref name="capacity"/> bytes; a <see cref="TensorAllocator"/>.</summary>
    public abstract Tensor Allocate(DType type, Shape shape, long capacity = 0);

    /// <inheritdoc/>
    public override string ToString() => Name;

    private sealed class HostDevice() : Device("cpu")
    {
        public override Tensor Allocate(DType type, Shape shape, long capacity = 0) => Tensor.AllocateBytes(type, shape, capacity);
    }
}
