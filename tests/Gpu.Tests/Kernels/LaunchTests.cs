using Mellum2.Managed.Model;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Gpu.Tests;

public sealed class LaunchTests
{
    // Attention of more than 512 positions is merged by a kernel of its own, one more.
    private const long MostOfALayer = 11;

    public static IEnumerable<object[]> Models() =>
        from device in TestDevices.Names
        from model in TestDevices.IsEmulator((string)device[0]) ? new[] { "tiny" } : ["tiny", "odd", "wide"]
        from units in new[] { MatrixUnits.Automatic, MatrixUnits.Simulated }
        select new object[] { device[0], model, units };

    [Theory]
    [MemberData(nameof(Models))]
    public void A_token_takes_few_launches_in_every_layer(string device, string name, MatrixUnits units)
    {
        ModelConfiguration configuration = ModelConfiguration.Load(GoldenFolder.Find("models", name));
        using Mellum mellum = Mellum.Random(
            configuration, DType.BF16, withMtp: false, new MellumOptions { Device = device, MatrixUnits = units });
        MellumModel model = mellum.Model;
        GpuDevice gpu = (GpuDevice)model.Context.Kernels.Device;
        List<long> launches = [];
        model.Context.Runner = (input, layer) =>
        {
            long before = gpu.Launches;
            Tensor output = layer(input);
            launches.Add(gpu.Launches - before);
            return output;
        };
        using KvCache cache = model.CreateCache(8, 4);
        ForwardBatch batch = new();
        batch.Add(cache, 0, [1]);
        model.Context.Workspace.Release(model.Trunk(batch, wantBeforeNorm: false, out _));
        Assert.Equal(model.Configuration.LayerCount, launches.Count);
        Assert.All(launches, count => Assert.InRange(count, 1, MostOfALayer));
    }
}
