using System.Reflection;
using System.Runtime.InteropServices;

namespace Mellum2.Managed.Bench;

/// <summary>The rival of float32 products: OpenBLAS (Debian package libopenblas0-pthread).</summary>
internal static unsafe partial class OpenBlas
{
    private const string Library = "openblas";
    private const int RowMajor = 101;
    private const int NoTranspose = 111;
    private const int Transpose = 112;

    static OpenBlas() => NativeLibrary.SetDllImportResolver(typeof(OpenBlas).Assembly, Resolve);

    /// <summary>Loads the library and sets its number of threads; null if it is not there, else its kernels' name.</summary>
    public static string? Load(int threads)
    {
        // Either would make it run at half its speed.
        _ = unsetenv("OPENBLAS_CORETYPE");
        _ = unsetenv("OPENBLAS_L2_SIZE");
        try
        {
            openblas_set_num_threads(threads);
            return Marshal.PtrToStringUTF8(openblas_get_corename());
        }
        catch (DllNotFoundException)
        {
            return null;
        }
    }

    /// <summary>y = x·wᵀ for row-major x [m, k], w [n, k], y [m, n].</summary>
    public static void MatMul(float* x, float* w, float* y, int m, int n, int k) =>
        cblas_sgemm(RowMajor, NoTranspose, Transpose, m, n, k, 1, x, k, w, k, 0, y, n);

    private static IntPtr Resolve(string name, Assembly assembly, DllImportSearchPath? path) =>
        name == Library && NativeLibrary.TryLoad("libopenblas.so.0", out IntPtr handle) ? handle : 0;

    [LibraryImport(Library)]
    private static partial void cblas_sgemm(
        int order, int transposeA, int transposeB, int m, int n, int k, float alpha, float* a, int lda, float* b, int ldb, float beta, float* c, int ldc);

    [LibraryImport(Library)]
    private static partial void openblas_set_num_threads(int threads);

    [LibraryImport(Library)]
    private static partial IntPtr openblas_get_corename();

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int unsetenv(string name);
}
