using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.Cuda;

namespace Mellum2.Managed.Engine;

/// <summary>
/// An open device: its memory and one queue of work. Copies and kernels run in the order in which they were queued, and
/// the host waits only where it reads a tensor. Not thread-safe: one program at a time queues work.
/// </summary>
public sealed class GpuDevice : Device, IDisposable
{
    /// <summary>The most threads that a group of the kernels has.</summary>
    internal const int LargestGroup = 256;

    private readonly Context _context;
    private readonly StagingBuffers _staging;
    private long _allocatedBytes;
    private bool _disposed;

    internal GpuDevice(Context context, ILGPU.Runtime.Device device, GpuDescription description) : base(description.Name)
    {
        _context = context;
        Description = description;
        try
        {
            if (device is CudaDevice cuda)
                CudaTarget.Raise(cuda);
            Accelerator = device is CPUDevice emulator
                ? emulator.CreateCPUAccelerator(context, CPUAcceleratorMode.Parallel)
                : device.CreateAccelerator(context);
            Queue = Accelerator.CreateStream();
        }
        catch (Exception e) when (e is not InvalidInputException)
        {
            throw new InvalidInputException($"The device {description.Name} ({description.Model}) could not be opened: {FirstLine(e)}", e);
        }
        _staging = new StagingBuffers(this);
    }

    /// <summary>What was found out about the device.</summary>
    public GpuDescription Description { get; }

    /// <summary>The bytes that tensors on the device hold.</summary>
    public long AllocatedBytes => _allocatedBytes;

    /// <summary>The most bytes that tensors on the device have held at once.</summary>
    public long PeakBytes { get; private set; }

    /// <summary>How many kernels have been queued since the device was opened.</summary>
    public long Launches { get; internal set; }

    /// <summary>Told of every kernel that is queued: its name, the grid and what it is given. For checks; null costs nothing.</summary>
    internal Action<string, int, int, object>? Launched { get; set; }

    /// <summary>The most bytes that are handed out, for tests of a device that has no more.</summary>
    internal long MostAllocatedBytes { get; set; } = long.MaxValue;

    internal Accelerator Accelerator { get; }

    internal AcceleratorStream Queue { get; }

    /// <summary>Waits until everything that was queued is done.</summary>
    /// <exception cref="InvalidInputException">The device reports an error.</exception>
    public void Synchronize()
    {
        Guard(static device => device.Queue.Synchronize(), "finishing queued work");
        _staging.Recycle();
    }

    /// <inheritdoc/>
    /// <exception cref="InvalidInputException">The device has not that much left.</exception>
    public override Tensor Allocate(DType type, Shape shape, long capacity = 0) => Tensor.OnDevice(type, shape, capacity, this);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        // Copies that are still queued read from the staging buffers.
        Try(Queue.Synchronize);
        Try(_staging.Dispose);
        Try(Queue.Dispose);
        Try(Accelerator.Dispose);
        Try(_context.Dispose);
    }

    /// <summary>Lets go of something of a device that may be lost; what a lost device says then is of no use.</summary>
    internal static void Try(Action free)
    {
        try
        {
            free();
        }
        catch (Exception e) when (IsFailure(e))
        {
        }
    }

    /// <summary>What ILGPU throws when a device or its driver fails, or was closed underneath.</summary>
    internal static bool IsFailure(Exception e) =>
        e is AcceleratorException or CapabilityNotSupportedException or ObjectDisposedException;

    /// <summary>Allocates memory; its contents are undefined.</summary>
    /// <exception cref="InvalidInputException">The device has not that much left.</exception>
    internal GpuMemory AllocateMemory(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        try
        {
            if (bytes > MostAllocatedBytes - _allocatedBytes)
                throw new InsufficientMemoryException($"a limit of {MostAllocatedBytes:N0} bytes is set");
            // A view of nothing has no buffer, and rows may be read in units of 16 bytes.
            GpuMemory memory = new(this, Accelerator.Allocate1D<byte>(Math.Max((bytes + 15) / 16 * 16, 16)), bytes);
            _allocatedBytes += bytes;
            PeakBytes = Math.Max(PeakBytes, _allocatedBytes);
            return memory;
        }
        catch (Exception e) when (e is not InvalidInputException)
        {
            throw new InvalidInputException(
                $"The device {Name} ({Description.Model}) gave no block of {bytes:N0} bytes: it has {Description.MemoryBytes:N0} bytes, and {_allocatedBytes:N0} are in use by this program ({FirstLine(e)}).", e);
        }
    }

    internal void CountFreed(long bytes) => _allocatedBytes -= bytes;

    internal void Write(GpuMemory memory, long offset, ReadOnlySpan<byte> source)
    {
        try
        {
            _staging.Write(memory, offset, source);
        }
        catch (Exception e) when (IsFailure(e))
        {
            throw Failure("a copy to it", e);
        }
    }

    internal void Read(GpuMemory memory, long offset, Span<byte> target)
    {
        try
        {
            _staging.Read(memory, offset, target);
        }
        catch (Exception e) when (IsFailure(e))
        {
            throw Failure("a copy from it", e);
        }
    }

    /// <summary>Runs something that talks to the device; an error becomes one sentence that names both.</summary>
    internal void Guard(Action<GpuDevice> action, string what)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        try
        {
            action(this);
        }
        catch (Exception e) when (IsFailure(e))
        {
            throw Failure(what, e);
        }
    }

    private InvalidInputException Failure(string what, Exception e) =>
        new($"The device {Name} ({Description.Model}) failed at {what}: {FirstLine(e)}", e);

    internal static string FirstLine(Exception e)
    {
        while (e.InnerException is { } inner)
            e = inner;
        string line = e.Message.Split('\n')[0].Trim();
        return line.Length == 0 ? e.GetType().Name : line;
    }
}
