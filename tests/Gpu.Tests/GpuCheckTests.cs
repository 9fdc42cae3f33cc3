using System.Globalization;
using ILGPU.Runtime;
using Mellum2.Managed.GpuCheck;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Gpu.Tests;

/// <summary>The program gpu-check on the emulator: it passes there, and what is broken makes it fail and say so.</summary>
public sealed class GpuCheckTests : IDisposable
{
    // What takes seconds there; all kernels and all cases take minutes.
    private static readonly string[] s_quick =
        ["description", "copies", "RmsNorm", "Embed", "Attention, AppendKeyValues", "Route", "ArgMax, Advance", "CombineAdd", "tiny, float32 arithmetic: logits", "time of launches"];

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gpu-check-tests-");

    private string ReportPath => Path.Combine(_folder.FullName, "report.md");

    private string Report => File.ReadAllText(ReportPath);

    public void Dispose() => _folder.Delete(recursive: true);

    private (int Code, string Output, string Error) Run(Func<Surroundings, Surroundings>? change = null, params string[] args)
    {
        using StringWriter output = new(CultureInfo.InvariantCulture), error = new(CultureInfo.InvariantCulture);
        Surroundings around = new(output, error) { Checks = device => Named(device, s_quick) };
        int code = GpuCheck.Program.Run(args.Length > 0 ? args : ["--device", "emulator", "--quick", "--output", ReportPath], change?.Invoke(around) ?? around);
        return (code, output.ToString(), error.ToString());
    }

    private static IReadOnlyList<Check> Named(CheckedDevice device, params string[] names)
    {
        IReadOnlyList<Check> all = CheckList.For(device);
        return [.. names.Select(name => all.Single(check => check.Name == name))];
    }

    private static string LastLine(string output) => output.TrimEnd().Split('\n')[^1].TrimEnd();

    [Fact]
    public void The_emulator_passes_and_the_report_has_every_check()
    {
        (int code, string output, string error) = Run();
        Assert.Equal(("", $"{s_quick.Length} passed, 0 failed, 0 skipped", GpuCheck.Program.Success), (error, LastLine(output), code));
        foreach (string name in s_quick)
        {
            Assert.Contains($"  {name}: passed: ", output, StringComparison.Ordinal);
            Assert.Contains($"| {name} | passed | ", Report, StringComparison.Ordinal);
        }
        Assert.Contains("| a launch, of many in the queue | ", Report, StringComparison.Ordinal);
        Assert.DoesNotContain('\e', output);
    }

    [Fact]
    public void Every_section_has_checks_of_different_names()
    {
        using GoldenFiles goldens = GoldenFiles.At(GoldenFolder.Root);
        using CheckedDevice device = new("emulator", goldens, isQuick: true);
        IReadOnlyList<Check> all = CheckList.For(device);
        Assert.Equal(
            ["Device", "Compilation", "Operations against float64", "Golden models", "Same bits", "Memory", "Speed"], all.Select(check => check.Section).Distinct());
        Assert.Equal(all.Count, all.Select(check => (check.Section, check.Name)).Distinct().Count());
    }

    [Fact]
    public void A_kernel_that_writes_nothing_is_found()
    {
        (int code, string output, _) = Run(around => around with
        {
            Open = name =>
            {
                GpuDevice device = GpuDevices.Open(name);
                device.Launched = (kernel, _, _, arguments) =>
                {
                    if (kernel == "RmsNorm")
                        ((GpuKernels.RmsNormArguments)arguments).Y.MemSetToZero(device.Queue);
                };
                return device;
            },
            Checks = device => Named(device, "RmsNorm", "Embed"),
        });
        Assert.Equal((GpuCheck.Program.Failure, "1 passed, 1 failed, 0 skipped"), (code, LastLine(output)));
        Assert.Contains("RmsNorm: FAILED: 2 of 2 cases are wrong", output, StringComparison.Ordinal);
        Assert.Contains("| RmsNorm | FAILED | ", Report, StringComparison.Ordinal);
    }

    [Fact]
    public void A_golden_that_is_another_is_found()
    {
        const string Expected = "expected.safetensors";
        DirectoryInfo tiny = _folder.CreateSubdirectory("models").CreateSubdirectory("tiny");
        foreach (string file in Directory.GetFiles(GoldenFolder.Find("models", "tiny")))
            File.Copy(file, Path.Combine(tiny.FullName, Path.GetFileName(file)));
        byte[] bytes = File.ReadAllBytes(Path.Combine(tiny.FullName, Expected));
        ReadOnlySpan<byte> logits = System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(GoldenTensors.Load("models", "tiny", Expected).Singles("p0.logits"));
        bytes.AsSpan(bytes.AsSpan().IndexOf(logits), logits.Length).Clear();
        File.WriteAllBytes(Path.Combine(tiny.FullName, Expected), bytes);
        (int code, string output, _) = Run(around => around with
        {
            Goldens = GoldenFiles.At(_folder.FullName),
            Checks = device => Named(device, "tiny, float32 arithmetic: logits"),
        });
        Assert.Equal((GpuCheck.Program.Failure, "0 passed, 1 failed, 0 skipped"), (code, LastLine(output)));
        Assert.Contains("p0: the relative error of the logits is ", output, StringComparison.Ordinal);
    }

    [Fact]
    public void An_exception_fails_its_check_alone()
    {
        (int code, string output, _) = Run(around => around with
        {
            Checks = device => [new("Device", "broken", _ => throw new InvalidOperationException("the sky\nfalls")), .. Named(device, "copies")],
        });
        Assert.Equal((GpuCheck.Program.Failure, "1 passed, 1 failed, 0 skipped"), (code, LastLine(output)));
        Assert.Contains("broken: FAILED: InvalidOperationException: the sky falls (", output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_lost_device_ends_the_checks_but_not_the_report()
    {
        int opened = 0;
        (int code, string output, _) = Run(around => around with
        {
            Open = name => opened++ == 0 ? GpuDevices.Open(name) : throw new InvalidInputException("It fell off the bus."),
            Checks = device => [new("Device", "broken", _ => throw new InvalidInputException("A copy failed.")), .. Named(device, "copies")],
        });
        Assert.Equal((GpuCheck.Program.Failure, "0 passed, 1 failed, 1 skipped"), (code, LastLine(output)));
        Assert.Contains("| broken | FAILED | A copy failed. The device is lost: ", Report, StringComparison.Ordinal);
        Assert.Contains("| copies | skipped | the device is lost | ", Report, StringComparison.Ordinal);
        Assert.Contains("It fell off the bus", output, StringComparison.Ordinal);
    }

    [Fact]
    public void Ctrl_C_leaves_the_report_of_what_was_done()
    {
        using CancellationTokenSource cancel = new();
        (int code, string output, _) = Run(around => around with
        {
            Cancel = cancel.Token,
            Checks = device =>
            [
                .. Named(device, "description"),
                new("Device", "long", checkedDevice =>
                {
                    cancel.Cancel();
                    cancel.Token.ThrowIfCancellationRequested();
                    return Outcome.Passed("");
                }),
                .. Named(device, "copies"),
            ],
        });
        Assert.Equal((GpuCheck.Program.Cancelled, "1 passed, 0 failed, 0 skipped"), (code, LastLine(output)));
        Assert.Contains("Cancelled.", output, StringComparison.Ordinal);
        Assert.Contains("**1 passed, 0 failed, 0 skipped**", Report, StringComparison.Ordinal);
        Assert.Contains("Ended early by the user", Report, StringComparison.Ordinal);
    }

    [Fact]
    public void A_program_that_is_killed_leaves_the_name_of_the_check_behind()
    {
        string during = "";
        Run(around => around with
        {
            Checks = device =>
            [
                new("Device", "deadly", _ =>
                {
                    during = Report;
                    return Outcome.Passed("");
                }),
            ],
        });
        Assert.Contains("\"Device: deadly\" was running", during, StringComparison.Ordinal);
        Assert.DoesNotContain("was running", Report, StringComparison.Ordinal);
    }

    [Fact]
    public void Checks_can_be_chosen_by_a_part_of_their_name()
    {
        (int code, string output, _) = Run(null, "--device", "emulator", "--only", "device: desc");
        Assert.Equal((GpuCheck.Program.Success, "1 passed, 0 failed, 0 skipped"), (code, LastLine(output)));
    }

    [Theory]
    [InlineData(GpuCheck.Program.Failure, "No check has \"abacus\" in its section or name", "--device", "emulator", "--only", "abacus")]
    [InlineData(GpuCheck.Program.Usage, "--devise", "--devise", "emulator")]
    [InlineData(GpuCheck.Program.Usage, "--device", "--device")]
    [InlineData(GpuCheck.Program.Failure, "There is no device \"abacus\" here", "--device", "abacus")]
    [InlineData(GpuCheck.Program.Failure, "The report cannot be written to /dev/null/report.md", "--device", "emulator", "--output", "/dev/null/report.md")]
    public void What_is_wrong_is_one_sentence(int expected, string sentence, params string[] args)
    {
        (int code, string output, string error) = Run(null, args);
        Assert.Equal((expected, ""), (code, output));
        Assert.Contains(sentence, error, StringComparison.Ordinal);
        Assert.Single(error.TrimEnd().Split('\n'));
    }
}
