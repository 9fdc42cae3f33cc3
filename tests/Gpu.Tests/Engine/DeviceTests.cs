namespace Mellum2.Managed.Gpu.Tests;

public sealed class DeviceTests
{
    [Fact]
    public void The_emulator_is_always_there_and_never_chosen_by_itself()
    {
        IReadOnlyList<GpuDescription> all = GpuDevices.List();
        GpuDescription emulator = Assert.Single(all, device => device.Kind == GpuKind.Emulator);
        Assert.Null(emulator.Unusable);
        Assert.Equal("emulator:0", emulator.Name);
        using GpuDevice? device = GpuDevices.Select("auto") as GpuDevice;
        Assert.NotEqual(GpuKind.Emulator, device?.Description.Kind);
        Assert.Same(Device.Cpu, GpuDevices.Select("cpu"));
    }

    [Fact]
    public void A_kind_without_devices_has_a_reason()
    {
        IReadOnlyList<GpuDescription> all = GpuDevices.List();
        IReadOnlyList<string> missing = GpuDevices.Missing();
        Assert.Equal(!all.Any(device => device.Kind == GpuKind.Cuda), missing.Any(line => line.StartsWith("CUDA: ", StringComparison.Ordinal)));
        Assert.Equal(
            !all.Any(device => device.Kind is GpuKind.OpenCl or GpuKind.OpenClCpu), missing.Any(line => line.StartsWith("OpenCL: ", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("cuda:77")]
    [InlineData("graphics")]
    [InlineData("")]
    public void An_unknown_device_is_refused_with_those_that_are_there(string name)
    {
        InvalidInputException error = Assert.Throws<InvalidInputException>(() => GpuDevices.Open(name));
        Assert.Contains($"\"{name}\"", error.Message, StringComparison.Ordinal);
        Assert.Contains("emulator:0", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("cuda", "libcuda.so.1")]
    [InlineData("OpenCL", "libOpenCL.so.1")]
    [InlineData("nvidia-ml", "libnvidia-ml.so.1")]
    [InlineData("c", null)]
    public void Drivers_are_found_by_the_names_that_packages_install(string library, string? file) =>
        Assert.Equal(file, NativeLibraries.FileName(library));

    [Fact]
    public void A_plan_that_does_not_fit_is_refused_in_numbers()
    {
        GpuDescription device = new(GpuKind.Cuda, 0, "Small", 1000, "CUDA 12.4", "compute capability 8.0", null);
        DeviceMemoryPlan plan = new(device, [new MemoryPart("weights", 900), new MemoryPart("cache", 100)]);
        plan.Check();
        Assert.Equal(1000, plan.Total);
        string message = Assert.Throws<InvalidInputException>(
            () => (plan with { Parts = [.. plan.Parts, new MemoryPart("activations", 1234)] }).Check()).Message;
        foreach (string part in new[] { "cuda:0", "Small", "1,000", "2,234", "weights 900", "activations 1,234" })
            Assert.Contains(part, message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_block_that_the_device_does_not_give_is_refused_in_numbers_and_the_device_goes_on()
    {
        using GpuDevice device = GpuDevices.Open("emulator");
        using Tensor small = Tensor.Allocate(DType.F32, new Shape(4), device);
        InvalidInputException error = Assert.Throws<InvalidInputException>(
            () => device.Allocate(DType.U8, new Shape(1), 1L << 60));
        Assert.Contains("emulator:0", error.Message, StringComparison.Ordinal);
        Assert.Contains((1L << 60).ToString("N0", System.Globalization.CultureInfo.InvariantCulture), error.Message, StringComparison.Ordinal);
        small.Write<float>([1, 2, 3, 4]);
        device.Synchronize();
        Assert.Equal(16, device.AllocatedBytes);
    }

    [Fact]
    public void A_kernel_that_does_not_compile_is_named_with_the_device()
    {
        using GpuDevice device = GpuDevices.Open("emulator");
        GpuKernel<int> kernel = new("Broken", Broken);
        InvalidInputException error = Assert.Throws<InvalidInputException>(() => kernel.Run(device, 1, 1, 1, 0));
        Assert.Contains("Broken", error.Message, StringComparison.Ordinal);
        Assert.Contains("emulator:0", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_kernel_that_cannot_be_translated_is_named_on_every_device()
    {
        foreach (string name in TestDevices.Names.Select(names => (string)names[0]))
        {
            using GpuDevice device = GpuDevices.Open(name);
            string message = Assert.Throws<InvalidInputException>(() => new GpuKernel<int>("Untranslatable", Broken).Run(device, 1, 1, 1, 0)).Message;
            Assert.Contains("The kernel Untranslatable does not compile for the device " + name, message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', message);
        }
    }

    [Theory]
    [InlineData(true, true, null)]
    [InlineData(true, false, "its driver (CUDA 9.1) is too old for the kernels' PTX")]
    [InlineData(false, true, "its compute capability is not known to this program")]
    public void A_cuda_driver_that_is_too_old_is_a_reason(bool capability, bool instructions, string? reason) =>
        Assert.Equal(reason, GpuDevices.CudaReason(capability, instructions, "9.1"));

    [Theory]
    [InlineData(true, true, true, 256, null)]
    [InlineData(false, true, true, 256, "its driver has OpenCL C 1.2, and 2.0 is needed")]
    [InlineData(true, false, true, 256, "its driver's OpenCL has no generic address space")]
    [InlineData(true, true, false, 256, "it has no float64, in which the rotary tables are put together")]
    [InlineData(true, true, true, 255, "its groups have at most 255 threads, and 256 are needed")]
    public void An_opencl_driver_that_cannot_run_the_kernels_is_a_reason(bool version, bool generic, bool float64, int group, string? reason) =>
        Assert.Equal(reason, GpuDevices.OpenClReason("1.2", version, generic, float64, group));

    private static void Broken(int value) => throw new InvalidOperationException($"{value} is no kernel");
}
