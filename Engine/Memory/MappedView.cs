using System.IO.MemoryMappedFiles;

namespace Mellum2.Managed.Engine;

/// <summary>A range of a <see cref="MappedFile"/> in memory until it is disposed of.</summary>
public sealed unsafe class MappedView : IDisposable
{
    private readonly MemoryMappedViewAccessor? _accessor;
    private byte* _pointer;

    internal MappedView(MemoryMappedViewAccessor? accessor, long length)
    {
        _accessor = accessor;
        ByteLength = length;
        if (accessor is null)
            return;
        byte* start = null;
        accessor.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        // The system maps whole pages; the view begins inside the first one.
        _pointer = start + accessor.PointerOffset;
    }

    /// <summary>The bytes of the range.</summary>
    public long ByteLength { get; }

    /// <summary>The first byte; null for an empty range. It need not be aligned.</summary>
    public byte* Pointer => _pointer;

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_accessor is null || _pointer is null)
            return;
        _pointer = null;
        _accessor.SafeMemoryMappedViewHandle.ReleasePointer();
        _accessor.Dispose();
    }
}
