using System.Reflection;
using ILGPU.Backends.OpenCL;

namespace Mellum2.Managed.Engine;

/// <summary>
/// What has to be changed in the OpenCL C that ILGPU 1.5.3 writes. Its barriers fence global memory alone, so that a compiler may move
/// accesses to the group's shared memory across them: PoCL does so in some kernels, and reads what other threads have not written yet.
/// </summary>
internal static class OpenClText
{
    private const string GlobalFence = "CLK_GLOBAL_MEM_FENCE";

    // A compiled kernel has no public way to be given another text.
    private static readonly FieldInfo s_text =
        typeof(CLCompiledKernel).GetField("<Source>k__BackingField", BindingFlags.Instance | BindingFlags.NonPublic)!;

    /// <summary>Changes the text of a kernel that is not loaded yet.</summary>
    public static CLCompiledKernel FenceSharedMemory(CLCompiledKernel kernel)
    {
        s_text.SetValue(kernel, kernel.Source.Replace(GlobalFence, $"CLK_LOCAL_MEM_FENCE | {GlobalFence}", StringComparison.Ordinal));
        return kernel;
    }
}
