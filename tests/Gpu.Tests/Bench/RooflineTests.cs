using Mellum2.Managed.Bench;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Gpu.Tests;

public sealed class RooflineTests
{
    [Fact]
    public void The_file_ends_with_what_the_bench_prints()
    {
        string file = File.ReadAllText(Path.Combine(GoldenFolder.RepositoryRoot(), "bench", "ROOFLINE.md")).ReplaceLineEndings("\n");
        Assert.Equal(RooflineBench.Tables(), file[file.IndexOf("## ", StringComparison.Ordinal)..]);
    }

    [Fact]
    public void A_device_is_known_by_the_name_that_its_driver_has()
    {
        foreach (DeviceProfile device in DeviceProfile.All)
            Assert.Same(device, DeviceProfile.Of(device.Model));
        Assert.Null(DeviceProfile.Of("NVIDIA H100 PCIe"));
    }
}
