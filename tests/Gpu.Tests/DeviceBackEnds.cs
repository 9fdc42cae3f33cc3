using Mellum2.Managed.Gpu.Tests;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Kernels.Tests;

/// <summary>What the tests of kernels take for the machine's back ends: here its devices.</summary>
public static class BackEnds
{
    // What the emulator runs in a second.
    private const int EmulatedTokens = 7;
    private const long EmulatedElements = 3000;

    internal static IForwardKernels Reference => TestDevices.Reference;

    /// <summary>The kernels that give equal bits: those of one device.</summary>
    internal static Dictionary<string, IForwardKernels> Simd { get; } = new() { ["emulator:0"] = TestDevices.Get("emulator:0") };

    /// <summary>The devices.</summary>
    public static IEnumerable<object[]> SimdNames => TestDevices.Names;

    /// <summary>The devices.</summary>
    public static IEnumerable<object[]> Names => TestDevices.Names;

    /// <summary>The devices: none trains, but all take a router's bias.</summary>
    public static IEnumerable<object[]> TrainingNames => TestDevices.Names;

    /// <summary>All devices with every case of a golden topic, the emulator with the small ones.</summary>
    public static IEnumerable<object[]> WithGoldens(string topic)
    {
        GoldenManifest manifest = GoldenManifest.Numerics(topic);
        return from device in TestDevices.Names
               from golden in manifest.Cases
               where !TestDevices.IsEmulator((string)device[0]) || IsSmall(golden)
               select new object[] { device[0], golden.Name };
    }

    internal static IForwardKernels Get(string name) => TestDevices.Get(name);

    internal static void ForAllShapes(int maxRows, int maxColumns, Action<int, int, Random> test) =>
        TestDevices.ForShapes("emulator:0", Math.Min(maxRows, 10), Math.Min(maxColumns, 100), test);

    private static bool IsSmall(GoldenCase golden) => golden.Parameters.TryGetProperty("T", out System.Text.Json.JsonElement tokens)
        ? tokens.GetInt32() <= EmulatedTokens
        : golden.Tensors.Values.Sum(tensor => tensor.Shape.Aggregate(1L, (product, length) => product * length)) <= EmulatedElements;
}
