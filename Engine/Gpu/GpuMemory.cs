using ILGPU;
using ILGPU.Runtime;

namespace Mellum2.Managed.Engine;

/// <summary>A block of a device's memory.</summary>
internal sealed unsafe class GpuMemory : IDisposable
{
    // Spans end at 2 GB; a tensor need not.
    private const int LargestSpan = 1 << 30;

    private MemoryBuffer1D<byte, Stride1D.Dense>? _buffer;

    public GpuMemory(GpuDevice device, MemoryBuffer1D<byte, Stride1D.Dense> buffer, long byteLength) =>
        (Device, _buffer, ByteLength) = (device, buffer, byteLength);

    /// <summary>Where it is.</summary>
    public GpuDevice Device { get; }

    /// <summary>The bytes that were asked for; the block ends at the next multiple of 16.</summary>
    public long ByteLength { get; }

    private MemoryBuffer1D<byte, Stride1D.Dense> Buffer =>
        _buffer ?? throw new ObjectDisposedException(nameof(GpuMemory), $"Memory of {Device} was used after it was freed.");

    /// <summary>A range of bytes.</summary>
    public ArrayView<byte> Bytes(long offset, long count) => new(Buffer, offset, count);

    /// <summary>A range as elements; the offset is a multiple of their size.</summary>
    public ArrayView<T> Elements<T>(long byteOffset, long count) where T : unmanaged =>
        new ArrayView<byte>(Buffer, byteOffset, count * Interop.SizeOf<T>()).Cast<T>();

    /// <summary>Queues a copy within the device; within one block the ranges may overlap.</summary>
    public void CopyTo(long offset, GpuMemory target, long targetOffset, long count)
    {
        if (!ReferenceEquals(Device, target.Device))
            throw new ArgumentException($"Memory of {Device} cannot be copied to {target.Device} directly.", nameof(target));
        // Pieces no longer than the distance do not overlap, and each is done when the next begins.
        long distance = Math.Abs(targetOffset - offset);
        long most = ReferenceEquals(this, target) && distance < count ? distance : count;
        for (long done = 0; done < count && most > 0; done += most)
        {
            long piece = Math.Min(most, count - done), start = targetOffset < offset ? done : count - done - piece;
            Bytes(offset + start, piece).CopyTo(Device.Queue, target.Bytes(targetOffset + start, piece));
        }
    }

    /// <summary>Queues a copy from the host, whose memory may be changed at once.</summary>
    public void Write(long offset, byte* source, long count)
    {
        for (long done = 0; done < count; done += LargestSpan)
            Device.Write(this, offset + done, new ReadOnlySpan<byte>(source + done, (int)Math.Min(LargestSpan, count - done)));
    }

    /// <summary>Waits for the queue and copies to the host.</summary>
    public void Read(long offset, byte* target, long count)
    {
        for (long done = 0; done < count; done += LargestSpan)
            Device.Read(this, offset + done, new Span<byte>(target + done, (int)Math.Min(LargestSpan, count - done)));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_buffer is null)
            return;
        GpuDevice.Try(_buffer.Dispose);
        _buffer = null;
        Device.CountFreed(ByteLength);
    }
}
