using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

/// <summary>
/// A folder that appears under its name only when it is whole: it is filled beside it, as <c>NAME.partial</c>, and
/// renamed. Disposing of it before <see cref="Commit"/> removes it. What a killed process left is removed the next time.
/// </summary>
internal sealed class StagedFolder : IDisposable
{
    private const string LockName = ".lock";
    private readonly string _target;
    private FileStream? _lock;

    /// <summary>Creates the folder to fill.</summary>
    /// <exception cref="InvalidInputException">The target has files in it, or another process fills it, or nothing can be created there.</exception>
    public StagedFolder(string target)
    {
        _target = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(target));
        Path = _target + ".partial";
        string lockPath = System.IO.Path.Combine(Path, LockName);
        if (File.Exists(_target) || (Directory.Exists(_target) && Directory.EnumerateFileSystemEntries(_target).Any()))
            throw new InvalidInputException($"{_target} exists and is not an empty folder; a new or empty one is expected.");
        // The lock file marks the folder as this class's own, so that no folder of someone else is ever emptied.
        if (File.Exists(Path) || (Directory.Exists(Path) && Directory.EnumerateFileSystemEntries(Path).Any() && !File.Exists(lockPath)))
            throw new InvalidInputException($"{Path} is needed as a temporary folder, but holds something else.");
        try
        {
            Directory.CreateDirectory(Path);
            _lock = new FileStream(lockPath, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            foreach (string stale in Directory.EnumerateFiles(Path))
                if (System.IO.Path.GetFileName(stale) != LockName)
                    File.Delete(stale);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _lock?.Dispose();
            throw new InvalidInputException($"The temporary folder {Path} cannot be used: {e.Message}", e);
        }
    }

    /// <summary>The folder to fill.</summary>
    public string Path { get; }

    /// <summary>Gives the folder its name.</summary>
    public void Commit()
    {
        try
        {
            File.Delete(System.IO.Path.Combine(Path, LockName));
            if (Directory.Exists(_target))
                Directory.Delete(_target);
            Directory.Move(Path, _target);
            _lock!.Dispose();
            _lock = null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"The folder {_target} cannot be created: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_lock is null)
            return;
        try
        {
            Directory.Delete(Path, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The error that led here is the one to report; the next run removes the rest.
        }
        _lock.Dispose();
        _lock = null;
    }
}
