using System.Diagnostics.CodeAnalysis;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>Native memory that is kept between calls and grows on demand; its contents do not survive growing.</summary>
internal sealed unsafe class GrowingBuffer
{
    private NativeBuffer? _buffer;

    /// <summary>At least <paramref name="bytes"/> bytes.</summary>
    public byte* Reserve(long bytes)
    {
        if (_buffer is null || _buffer.ByteLength < bytes)
            Grow(ref _buffer, bytes);
        return _buffer.Pointer;
    }

    // The old block is given back first: the two need not exist at once.
    private static void Grow([NotNull] ref NativeBuffer? buffer, long bytes)
    {
        buffer?.Dispose();
        buffer = null;
        buffer = new NativeBuffer(bytes);
    }
}
