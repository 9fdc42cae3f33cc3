using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Text;
using System.Text.RegularExpressions;

namespace Mellum2.Managed.Gpu.Tests;

/// <summary>What other people's compilers say to the kernels' PTX and OpenCL, where this machine has them.</summary>
public sealed partial class CompilerTests
{
    public static IEnumerable<object[]> Kernels() => CodeGenerationTests.Kernels();

    public static IEnumerable<object[]> CudaKernels() => CodeGenerationTests.CudaKernels();

    public static IEnumerable<object[]> PortableKernels() => CodeGenerationTests.PortableKernels();

    [ToolTheory("ptxas")]
    [MemberData(nameof(Kernels))]
    public void Ptxas_needs_no_stack_no_spills_and_no_more_registers_than_the_budget(string name)
    {
        string[] row = Table().Single(row => row[0] == name);
        int budget = int.Parse(row[^1], CultureInfo.InvariantCulture);
        foreach ((int major, int minor) in CodeGenerationTests.Architectures(name))
        {
            string said = Run("ptxas", KernelText.Ptx(CodeGenerationTests.Find(name).Method, major, minor), ".ptx", $"-arch=sm_{major}{minor}", "-v", "-o", "/dev/null");
            Assert.True(said.Contains(" 0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads", StringComparison.Ordinal), said);
            int registers = int.Parse(Registers().Match(said).Groups[1].Value, CultureInfo.InvariantCulture);
            Assert.True(registers <= budget, $"{name} needs {registers} registers on sm_{major}{minor}; its budget in registers.txt is {budget}.");
        }
    }

    [ToolTheory("clang")]
    [MemberData(nameof(PortableKernels))]
    public void Clang_accepts_the_OpenCL(string name) => Run(
        "clang", KernelText.OpenCl(CodeGenerationTests.Find(name).Method), ".cl",
        "-x", "cl", "-cl-std=CL3.0", "-target", "spir64", "-cl-ext=+all", "-Xclang", "-finclude-default-header", "-fsyntax-only", "-w");

    [ToolTheory("nvdisasm")]
    [MemberData(nameof(CudaKernels))]
    public void The_assembly_has_the_instructions_of_tensor_cores(string name)
    {
        foreach ((int major, int minor) in CodeGenerationTests.Architectures(name))
        {
            string code = Disassemble(CodeGenerationTests.Find(name).Method, major, minor);
            // Products, loads of four matrices from shared memory, copies to it in the background; no local memory.
            foreach (string instruction in new[] { Product(name, major), "LDSM.16.M88.4", "LDGSTS" })
                Assert.Contains(instruction, code, StringComparison.Ordinal);
            Assert.DoesNotContain("LDL", code, StringComparison.Ordinal);
        }
    }

    // sm_90 has no unit for the instruction with E4M3 and makes half-precision products of it.
    private static string Product(string name, int major) => name is not ("MmaFloat8Split" or "MmaFloat8Tile")
        ? "HMMA.16816.F32.BF16"
        : major == 8 ? "QMMA.16832.F32.E4M3.E4M3" : "HMMA.16816.F32";

    [Fact]
    public void The_table_of_registers_has_every_kernel_once() => Assert.Equal(
        Kernels().Select(kernel => (string)kernel[0]).Order(StringComparer.Ordinal), Table().Select(row => row[0]).Order(StringComparer.Ordinal));

    private static IEnumerable<string[]> Table() =>
        File.ReadLines(Path.Combine(AppContext.BaseDirectory, "registers.txt")).Where(line => !line.StartsWith('#')).Select(line => line.Split(' '));

    /// <summary>A kernel in a GPU's own instructions.</summary>
    internal static string Disassemble(MethodInfo kernel, int major, int minor)
    {
        string cubin = Path.GetTempFileName();
        Run("ptxas", KernelText.Ptx(kernel, major, minor), ".ptx", $"-arch=sm_{major}{minor}", "-o", cubin);
        string code = Run("nvdisasm", File.ReadAllBytes(cubin), ".cubin", "-c");
        File.Delete(cubin);
        return code;
    }

    /// <summary>What a program writes about a text.</summary>
    private static string Run(string program, string text, string extension, params string[] arguments) =>
        Run(program, Encoding.UTF8.GetBytes(text), extension, arguments);

    private static string Run(string program, byte[] bytes, string extension, params string[] arguments)
    {
        string file = Path.ChangeExtension(Path.GetTempFileName(), extension);
        try
        {
            File.WriteAllBytes(file, bytes);
            ProcessStartInfo start = new(ToolTheoryAttribute.Find(program)!, [.. arguments, file]) { RedirectStandardError = true, RedirectStandardOutput = true };
            using Process process = Process.Start(start)!;
            Task<string> output = process.StandardOutput.ReadToEndAsync();
            string said = process.StandardError.ReadToEnd() + output.Result;
            process.WaitForExit();
            Assert.True(process.ExitCode == 0, said);
            return said;
        }
        finally
        {
            File.Delete(file);
            File.Delete(Path.ChangeExtension(file, ".tmp"));
        }
    }

    [GeneratedRegex(@"Used (\d+) registers")]
    private static partial Regex Registers();
}
