using System.Runtime.InteropServices;

namespace Mellum2.Managed.Engine;

/// <summary>A block of native memory, aligned to 64 bytes and zeroed, outside of the garbage collector's heap.</summary>
public sealed unsafe class NativeBuffer : SafeHandle
{
    /// <summary>The alignment of every buffer: one cache line, one 512-bit vector.</summary>
    public const int Alignment = 64;

    private static long s_allocatedBytes;

    /// <summary>Allocates <paramref name="bytes"/> bytes of zeros.</summary>
    /// <exception cref="InvalidInputException">The system does not give that much memory.</exception>
    public NativeBuffer(long bytes) : base(0, ownsHandle: true)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        ByteLength = bytes;
        // Kernels may read a whole vector at the last element: one line of slack keeps that inside the block.
        long padded = checked((bytes + Alignment - 1) / Alignment * Alignment + Alignment);
        try
        {
            SetHandle((nint)NativeMemory.AlignedAlloc((nuint)padded, Alignment));
        }
        catch (OutOfMemoryException e)
        {
            throw new InvalidInputException($"The system gave no block of {bytes:N0} bytes of memory.", e);
        }
        NativeMemory.Clear((void*)handle, (nuint)padded);
        Interlocked.Add(ref s_allocatedBytes, bytes);
    }

    /// <summary>The bytes that live buffers of this process hold.</summary>
    public static long AllocatedBytes => Interlocked.Read(ref s_allocatedBytes);

    /// <summary>The size that was asked for.</summary>
    public long ByteLength { get; }

    /// <summary>The first byte.</summary>
    public byte* Pointer => (byte*)handle;

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        NativeMemory.AlignedFree((void*)handle);
        Interlocked.Add(ref s_allocatedBytes, -ByteLength);
        return true;
    }
}
