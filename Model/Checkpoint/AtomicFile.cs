using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

/// <summary>
/// A file that appears under its name only when it is whole: it is written beside it, flushed to the disk and renamed.
/// Disposing of it before <see cref="Commit"/> removes what was written and leaves an older file as it was.
/// </summary>
internal sealed class AtomicFile : IDisposable
{
    private readonly string _path;
    private readonly string _temporary;
    private readonly long _length;
    private long _written;
    private Stream? _stream;

    /// <summary>Opens the temporary file.</summary>
    /// <param name="path">The name that the file gets in the end.</param>
    /// <param name="length">The bytes that it will have: a disk that is too full is reported before anything is written.</param>
    /// <param name="open">Opens a file of that length; null for the file system.</param>
    /// <exception cref="InvalidInputException">The file cannot be created, or the disk has no room for it.</exception>
    public AtomicFile(string path, long length, Func<string, long, Stream>? open = null)
    {
        _path = path;
        _temporary = path + ".partial";
        _length = length;
        try
        {
            _stream = (open ?? OpenFile)(_temporary, length);
        }
        catch (Exception e) when (IsFileError(e))
        {
            throw Error(e);
        }
    }

    /// <summary>Appends bytes.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        try
        {
            _stream!.Write(bytes);
            _written += bytes.Length;
        }
        catch (Exception e) when (IsFileError(e))
        {
            throw Error(e);
        }
    }

    /// <summary>Makes the file durable and gives it its name.</summary>
    public void Commit()
    {
        try
        {
            if (_stream is FileStream file)
                file.Flush(flushToDisk: true);
            _stream!.Dispose();
            File.Move(_temporary, _path, overwrite: true);
            _stream = null;
        }
        catch (Exception e) when (IsFileError(e))
        {
            throw Error(e);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_stream is null)
            return;
        _stream.Dispose();
        _stream = null;
        try
        {
            File.Delete(_temporary);
        }
        catch (Exception e) when (IsFileError(e))
        {
            // The error that led here is the one to report; a file that cannot be removed does no harm to the old one.
        }
    }

    private static bool IsFileError(Exception e) => e is IOException or UnauthorizedAccessException or NotSupportedException;

    // Unbuffered: callers write large pieces, and nothing is left to fail when the stream is closed.
    private static FileStream OpenFile(string path, long length) => new(path, new FileStreamOptions
    {
        Mode = FileMode.Create,
        Access = FileAccess.Write,
        Share = FileShare.None,
        BufferSize = 0,
        PreallocationSize = length,
    });

    /// <summary>The system's own words, or, where the disk has less room than is still needed, that in numbers.</summary>
    private InvalidInputException Error(Exception e)
    {
        long needed = _length - _written;
        try
        {
            long free = new DriveInfo(Path.GetDirectoryName(Path.GetFullPath(_path))!).AvailableFreeSpace;
            if (free < needed)
                return new InvalidInputException($"The disk is full: {_path} needs {needed:N0} more bytes, but {free:N0} are free.", e);
        }
        catch (Exception unknown) when (IsFileError(unknown) || unknown is ArgumentException)
        {
            // A folder whose disk cannot be asked: the first error says why.
        }
        return new InvalidInputException($"The file {_path} cannot be written: {e.Message}", e);
    }
}
