using ILGPU;
using ILGPU.Runtime;

namespace Mellum2.Managed.Engine;

/// <summary>
/// Pinned memory of the host that small copies go through: what the model writes per token (ids, positions) and reads
/// (logits). A copy to the device returns as soon as it is queued; its buffer is free again when the queue has been waited
/// for. There are buffers of each size that was ever used, because ILGPU copies whole host buffers on OpenCL, and because
/// wrapping memory of the host for a copy would allocate.
/// </summary>
internal sealed unsafe class StagingBuffers(GpuDevice device) : IDisposable
{
    // Larger copies are those of loading; they go without staging.
    private const int LargestBytes = 1 << 20;

    private readonly Dictionary<int, Size> _sizes = [];

    /// <summary>Queues a copy to the device; the source may be changed at once.</summary>
    public void Write(GpuMemory memory, long offset, ReadOnlySpan<byte> source)
    {
        if (source.IsEmpty)
            return;
        if (source.Length > LargestBytes)
        {
            WriteDirectly(memory, offset, source);
            return;
        }
        PageLockedArray1D<byte> buffer = Take(source.Length);
        source.CopyTo(buffer.Span);
        buffer.ArrayView.CopyTo(device.Queue, memory.Bytes(offset, source.Length));
    }

    /// <summary>Waits for the queue and copies from the device.</summary>
    public void Read(GpuMemory memory, long offset, Span<byte> target)
    {
        if (target.IsEmpty)
            return;
        if (target.Length > LargestBytes)
        {
            ReadDirectly(memory, offset, target);
            return;
        }
        PageLockedArray1D<byte> buffer = Take(target.Length);
        memory.Bytes(offset, target.Length).CopyTo(device.Queue, buffer.ArrayView);
        device.Synchronize();
        buffer.Span.CopyTo(target);
    }

    /// <summary>The queue is empty: every buffer is free.</summary>
    public void Recycle()
    {
        foreach (Size size in _sizes.Values)
            size.Used = 0;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Size size in _sizes.Values)
            foreach (PageLockedArray1D<byte> buffer in size.Buffers)
                buffer.Dispose();
        _sizes.Clear();
    }

    // The device copies in its own time: arrays of the host must neither move nor be collected until it is done, though nothing here
    // looks at them any more.
    private void WriteDirectly(GpuMemory memory, long offset, ReadOnlySpan<byte> source)
    {
        fixed (byte* held = source)
        {
            memory.Bytes(offset, source.Length).CopyFromCPU(device.Queue, ref *held, source.Length);
            device.Synchronize();
        }
    }

    private void ReadDirectly(GpuMemory memory, long offset, Span<byte> target)
    {
        fixed (byte* held = target)
        {
            memory.Bytes(offset, target.Length).CopyToCPU(device.Queue, ref *held, target.Length);
            device.Synchronize();
        }
    }

    private PageLockedArray1D<byte> Take(int bytes)
    {
        if (!_sizes.TryGetValue(bytes, out Size? size))
            _sizes.Add(bytes, size = new Size());
        // Two are enough for a pass to run ahead; with more in flight it is better to wait than to pin more memory.
        if (size.Used == Size.Most)
            device.Synchronize();
        if (size.Used == size.Buffers.Count)
            size.Buffers.Add(device.Accelerator.AllocatePageLocked1D<byte>(bytes, uninitialized: true));
        return size.Buffers[size.Used++];
    }

    private sealed class Size
    {
        public const int Most = 4;

        public List<PageLockedArray1D<byte>> Buffers { get; } = [];

        public int Used { get; set; }
    }
}
