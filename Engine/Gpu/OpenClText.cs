using System.Reflection;
using ILGPU.Backends.OpenCL;

namespace Mellum2.Managed.Engine;

/// <summary>
/// What has to be changed in the OpenCL C that ILGPU 1.5.3 writes. Its barriers fence global memory alone, which leaves a device free to
/// let threads read the group's shared memory before others have written it. (PoCL does not look at what a barrier fences.)
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
