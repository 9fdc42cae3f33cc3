using System.IO.MemoryMappedFiles;

namespace Mellum2.Managed.Engine;

/// <summary>A file mapped read-only; parts of it are looked at through <see cref="MappedView"/>.</summary>
public sealed class MappedFile : IDisposable
{
    private readonly MemoryMappedFile? _map;

    /// <summary>Maps <paramref name="path"/>; an empty file is allowed.</summary>
    /// <exception cref="InvalidInputException">The file is missing or cannot be read.</exception>
    public MappedFile(string path)
    {
        Path = path;
        try
        {
            using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            ByteLength = stream.Length;
            if (ByteLength > 0)
                _map = MemoryMappedFile.CreateFromFile(
                    stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"The file {path} cannot be read: {e.Message}", e);
        }
    }

    /// <summary>The file's path, for messages.</summary>
    public string Path { get; }

    /// <summary>The file's size.</summary>
    public long ByteLength { get; }

    /// <summary>
    /// Maps the bytes from <paramref name="offset"/> on; disposing of the view gives its pages back to the system.
    /// </summary>
    /// <exception cref="InvalidInputException">The range ends behind the file.</exception>
    public MappedView View(long offset, long length)
    {
        if (offset < 0 || length < 0 || offset > ByteLength - length)
            throw new InvalidInputException(
                $"{Path} has {ByteLength:N0} bytes, but bytes {offset:N0} to {offset + length:N0} are asked for.");
        return new MappedView(length == 0 ? null : _map!.CreateViewAccessor(offset, length, MemoryMappedFileAccess.Read), length);
    }

    /// <inheritdoc/>
    public void Dispose() => _map?.Dispose();
}
