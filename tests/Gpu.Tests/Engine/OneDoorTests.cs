using System.Text.RegularExpressions;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Gpu.Tests;

/// <summary>ILGPU has one door: nothing but the engine and the kernels' device files sees it, and nothing public shows it.</summary>
public sealed partial class OneDoorTests
{
    [Fact]
    public void Only_the_engine_and_device_kernels_name_ILGPU()
    {
        string root = GoldenFolder.RepositoryRoot();
        string[] folders = ["Engine", "Kernels", "Model", "Training", "Cli", "bench"];
        string[] files = [.. folders.SelectMany(folder => Directory.GetFiles(Path.Combine(root, folder), "*.cs", SearchOption.AllDirectories))
            .Where(file => !Built().IsMatch(file))];
        Assert.True(files.Length > 100);
        string[] naming = [.. files.Where(file => Using().IsMatch(File.ReadAllText(file))).Select(file => Path.GetRelativePath(root, file))];
        Assert.NotEmpty(naming);
        Assert.All(naming, file => Assert.True(
            file.StartsWith(Path.Combine("Engine", "Gpu"), StringComparison.Ordinal) || file.EndsWith(".Gpu.cs", StringComparison.Ordinal),
            $"{file} uses ILGPU; only Engine/Gpu and *.Gpu.cs files may."));
    }

    [Fact]
    public void No_public_member_shows_ILGPU()
    {
        foreach (System.Reflection.Assembly assembly in new[] { typeof(Tensor).Assembly, typeof(GpuKernels).Assembly })
        {
            foreach (System.Reflection.MethodBase member in assembly.GetExportedTypes().SelectMany(type =>
                type.GetMethods().Cast<System.Reflection.MethodBase>().Concat(type.GetConstructors())))
            {
                Assert.All(member.GetParameters(), parameter => Assert.False(
                    parameter.ParameterType.FullName?.StartsWith("ILGPU", StringComparison.Ordinal) ?? false, $"{member.DeclaringType}.{member.Name}"));
            }
        }
    }

    [GeneratedRegex(@"[\\/](bin|obj)[\\/]")]
    private static partial Regex Built();

    [GeneratedRegex(@"\busing (static )?ILGPU\b|\bILGPU\.\w")]
    private static partial Regex Using();
}
