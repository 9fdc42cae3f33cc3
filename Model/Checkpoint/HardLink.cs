using System.Runtime.InteropServices;

namespace Mellum2.Managed.Model;

/// <summary>A second name for a file, which takes no room on the disk. The runtime has no call for it, so the system is asked.</summary>
internal static partial class HardLink
{
    /// <summary>Gives a file a second name.</summary>
    /// <param name="existing">The file; where it is a symbolic link, that to which it leads.</param>
    /// <param name="added">The new name.</param>
    /// <returns>Whether it could be done: both names must be on one file system, and it must have hard links.</returns>
    /// <exception cref="IOException">There is no such file.</exception>
    public static bool TryCreate(string existing, string added)
    {
        string file = File.ResolveLinkTarget(existing, returnFinalTarget: true)?.FullName ?? existing;
        try
        {
            return OperatingSystem.IsWindows() ? CreateHardLink(added, file, 0) : Link(file, added) == 0;
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            return false;
        }
    }

    [LibraryImport("libc", EntryPoint = "link", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string existing, string added);

    [LibraryImport("kernel32", EntryPoint = "CreateHardLinkW", StringMarshalling = StringMarshalling.Utf16)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool CreateHardLink(string added, string existing, nint security);
}
