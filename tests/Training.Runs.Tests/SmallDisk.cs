using System.ComponentModel;
using System.Diagnostics;

namespace Mellum2.Managed.Training.Runs.Tests;

/// <summary>A test that needs a disk of a known size, which only the system's administrator may mount; skipped where that fails.</summary>
internal sealed class FactWithSmallDiskAttribute : FactAttribute
{
    private static readonly bool s_canMount = Try();

    public FactWithSmallDiskAttribute()
    {
        if (!s_canMount)
            Skip = "No disk of a known size can be mounted here.";
    }

    private static bool Try()
    {
        string path = Directory.CreateTempSubdirectory("mellum2-disk").FullName;
        using (SmallDisk? disk = SmallDisk.TryMount(path, megabytes: 1))
        {
            if (disk is null)
                return false;
        }
        Directory.Delete(path);
        return true;
    }
}

/// <summary>A disk in memory of a known size.</summary>
internal sealed class SmallDisk : IDisposable
{
    private SmallDisk(string path) => Path = path;

    public string Path { get; }

    /// <summary>Mounts one, where the system allows it.</summary>
    public static SmallDisk? TryMount(string path, int megabytes)
    {
        if (!OperatingSystem.IsLinux())
            return null;
        Directory.CreateDirectory(path);
        return Run("mount", "-t", "tmpfs", "-o", $"size={megabytes}m", "tmpfs", path) ? new SmallDisk(path) : null;
    }

    public void Dispose() => Run("umount", Path);

    private static bool Run(string command, params string[] arguments)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(command, arguments) { RedirectStandardError = true })!;
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (Win32Exception)
        {
            return false;
        }
    }
}
