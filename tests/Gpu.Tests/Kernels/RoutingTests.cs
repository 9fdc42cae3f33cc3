namespace Mellum2.Managed.Gpu.Tests;

public sealed class RoutingTests
{
    [Fact]
    public void More_experts_than_a_group_can_hold_are_refused()
    {
        GpuKernels kernels = TestDevices.Get("emulator:0");
        using Tensor x = kernels.Output(new Shape(1, 1025)), p = kernels.Output(new Shape(1, 1025)), w = kernels.Output(new Shape(1, 2));
        using Tensor chosen = Activations.Integers(new Shape(1, 2), device: kernels.Device);
        InvalidInputException error = Assert.Throws<InvalidInputException>(() => kernels.Route(x, 2, true, p, chosen, w));
        Assert.Contains("1025 experts", error.Message, StringComparison.Ordinal);
    }
}
