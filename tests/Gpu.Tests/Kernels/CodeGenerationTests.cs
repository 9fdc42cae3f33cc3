using System.Reflection;

namespace Mellum2.Managed.Gpu.Tests;

/// <summary>
/// Every kernel as PTX and as OpenCL, without a device: what ILGPU's emulator, which runs the C# code itself, cannot tell. A
/// failed compilation spoils its context, so each has its own.
/// </summary>
public sealed class CodeGenerationTests
{
    public static IEnumerable<object[]> Kernels() => TestDevices.Get("emulator:0").All.Select(kernel => new object[] { kernel.Name });

    /// <summary>Those without instructions of CUDA devices.</summary>
    public static IEnumerable<object[]> PortableKernels() =>
        TestDevices.Get("emulator:0").All.Where(kernel => kernel.NeedsCuda == 0).Select(kernel => new object[] { kernel.Name });

    /// <summary>Those with instructions of CUDA devices.</summary>
    public static IEnumerable<object[]> CudaKernels() =>
        TestDevices.Get("emulator:0").All.Where(kernel => kernel.NeedsCuda > 0).Select(kernel => new object[] { kernel.Name });

    /// <summary>The generations of GPUs that a kernel is compiled for.</summary>
    internal static IEnumerable<(int Major, int Minor)> Architectures(string name) =>
        new[] { (8, 0), (8, 9), (9, 0) }.Where(architecture => architecture.Item1 * 10 + architecture.Item2 >= Find(name).NeedsCuda);

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Becomes_PTX_for_every_generation_of_GPUs(string name)
    {
        foreach ((int major, int minor) in Architectures(name))
        {
            string text = KernelText.Ptx(Find(name).Method, major, minor);
            Assert.Contains($".target sm_{major}{minor}", text, StringComparison.Ordinal);
            Assert.Contains(".visible .entry", text, StringComparison.Ordinal);
        }
    }

    [Theory]
    [MemberData(nameof(PortableKernels))]
    public void Becomes_OpenCL_without_half_precision_and_subgroups(string name)
    {
        string text = KernelText.OpenCl(Find(name).Method);
        Assert.Contains("kernel void", text, StringComparison.Ordinal);
        foreach (string word in new[] { "half", "sub_group", "intel" })
            Assert.DoesNotContain(word, text, StringComparison.Ordinal);
        foreach (string line in text.Split('\n').Where(line => line.Contains("barrier", StringComparison.Ordinal)))
            Assert.Contains("CLK_LOCAL_MEM_FENCE", line, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(CudaKernels))]
    public void Tensor_cores_are_used_without_local_memory(string name)
    {
        foreach ((int major, int minor) in Architectures(name))
        {
            string text = KernelText.Ptx(Find(name).Method, major, minor);
            foreach (string instruction in new[] { "mma.sync.aligned.m16n8k", "ldmatrix.sync.aligned.m8n8.x4", "cp.async.cg.shared.global" })
                Assert.Contains(instruction, text, StringComparison.Ordinal);
            Assert.DoesNotContain(".local", text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void No_kernel_is_left_out()
    {
        List<IGpuKernel> found = [];
        Collect(TestDevices.Get("emulator:0"), found);
        Assert.Equal(found.Select(kernel => kernel.Name).Order(), TestDevices.Get("emulator:0").All.Select(kernel => kernel.Name).Order());
    }

    // The kernels in an object's fields, and in those of the sets of kernels there.
    private static void Collect(object owner, List<IGpuKernel> found)
    {
        foreach (FieldInfo field in owner.GetType().GetFields(BindingFlags.Instance | BindingFlags.NonPublic))
        {
            if (field.GetValue(owner) is IGpuKernel kernel)
                found.Add(kernel);
            else if (field.FieldType.Name.Contains("Kernels", StringComparison.Ordinal))
                Collect(field.GetValue(owner)!, found);
        }
    }

    internal static IGpuKernel Find(string name) => TestDevices.Get("emulator:0").All.Single(kernel => kernel.Name == name);
}
