using Mellum2.Managed.Model;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Gpu.Tests;

/// <summary>The golden checkpoints on the processor and on the devices, and what the tests do with them.</summary>
internal static partial class DeviceModels
{
    private static readonly Dictionary<(string, string), Mellum> s_loaded = [];

    /// <summary>The golden checkpoints below <c>tests/golden</c>, the small trained one last.</summary>
    public static IEnumerable<string> Folders =>
        Directory.GetDirectories(GoldenFolder.Find("models")).Select(folder => "models/" + Path.GetFileName(folder)).Append("mini");

    /// <summary>The processor, which every machine has, and the devices that real sizes are not too slow for.</summary>
    public static IEnumerable<string> FastNames =>
        TestDevices.Names.Select(device => (string)device[0]).Where(device => !TestDevices.IsEmulator(device)).Prepend("cpu");

    /// <summary>Every checkpoint on every device, the smallest alone on the emulator.</summary>
    public static IEnumerable<object[]> Cases() =>
        from device in TestDevices.Names.Select(names => (string)names[0])
        from folder in Folders
        where !TestDevices.IsEmulator(device) || folder == "models/tiny"
        select new object[] { device, folder };

    /// <summary>A checkpoint of <see cref="Folders"/>, loaded once: compiling its kernels takes longer than most tests.</summary>
    public static MellumModel Get(string device, string folder)
    {
        lock (s_loaded)
        {
            if (!s_loaded.TryGetValue((device, folder), out Mellum? mellum))
                s_loaded.Add((device, folder), mellum = Mellum.Load(GoldenFolder.Find(folder.Split('/')), new MellumOptions { Device = device }));
            return mellum.Model;
        }
    }

    /// <summary>What the reference implementation computes with that checkpoint.</summary>
    public static GoldenTensors Goldens(string folder) => GoldenTensors.Load([.. folder.Split('/'), "expected.safetensors"]);

    /// <summary>The prompts of a checkpoint that have a greedy continuation, without the long one.</summary>
    public static IEnumerable<string> Prompts(string folder) => Goldens(folder).Names
        .Where(name => name.StartsWith('p') && name.EndsWith(".greedy", StringComparison.Ordinal))
        .Select(name => name[..name.IndexOf('.', StringComparison.Ordinal)]).Order(StringComparer.Ordinal);

    /// <summary>Compares by relative L2 error.</summary>
    public static void Near(ReadOnlySpan<float> got, float[] want, double tolerance, string what)
    {
        double error = GoldenTensors.RelativeError(got, want);
        Assert.True(error <= tolerance, $"{what}: relative error {error:G3} is above {tolerance:G3}");
    }
}
