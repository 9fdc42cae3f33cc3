using System.Runtime.InteropServices;
using System.Runtime.Loader;

namespace Mellum2.Managed.Engine;

/// <summary>
/// Finds the drivers' libraries. .NET looks for <c>libcuda.so</c> and <c>libOpenCL.so</c>, but packages that are not meant
/// for compiling install <c>libcuda.so.1</c> and <c>libOpenCL.so.1</c> alone, and no device would be found.
/// </summary>
internal static class NativeLibraries
{
    private static readonly object s_lock = new();
    private static bool s_installed;

    /// <summary>Whether NVIDIA's driver library can be loaded.</summary>
    public static bool HasCuda => TryLoad(OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1") || TryLoad("cuda");

    /// <summary>Whether an OpenCL loader can be loaded.</summary>
    public static bool HasOpenCl => TryLoad(OperatingSystem.IsWindows() ? "OpenCL.dll" : "libOpenCL.so.1") || TryLoad("OpenCL");

    /// <summary>Adds the missing names, once; to be called before the first ILGPU context is made.</summary>
    public static void Install()
    {
        lock (s_lock)
        {
            if (s_installed || !OperatingSystem.IsLinux())
                return;
            AssemblyLoadContext.Default.ResolvingUnmanagedDll += (_, name) =>
                FileName(name) is { } file && NativeLibrary.TryLoad(file, out nint library) ? library : 0;
            s_installed = true;
        }
    }

    /// <summary>The file that a package for running, not for compiling, installs for <paramref name="library"/>.</summary>
    internal static string? FileName(string library) => library switch
    {
        "cuda" => "libcuda.so.1",
        "OpenCL" => "libOpenCL.so.1",
        "nvidia-ml" => "libnvidia-ml.so.1",
        _ => null,
    };

    private static bool TryLoad(string library)
    {
        if (!NativeLibrary.TryLoad(library, out nint handle))
            return false;
        NativeLibrary.Free(handle);
        return true;
    }
}
