using Mellum2.Managed.Gpu.Tests;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Kernels.Tests;

/// <summary>What the tests of kernels take for the machine's back ends: here its devices.</summary>
public static class BackEnds
{
    // What the emulator runs in a second.
    private const int EmulatedTokens = 7;
    private const long EmulatedElements = 3000;
    private const int EmulatedRows = 9;
    private const int EmulatedColumns = 70;
    private const int FewRows = 4;
    private const int EmulatedRow = 600;

    internal static IForwardKernels Reference => TestDevices.Reference;

    /// <summary>The devices.</summary>
    public static IEnumerable<object[]> SimdNames => TestDevices.Names;

    /// <summary>The devices.</summary>
    public static IEnumerable<object[]> Names => TestDevices.Names;

    /// <summary>The devices: none trains, but all take a router's bias.</summary>
    public static IEnumerable<object[]> TrainingNames => TestDevices.Names;

    /// <summary>Sets of back ends that give equal bits: each device alone.</summary>
    public static IEnumerable<object[]> EqualBits => TestDevices.Names;

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

    /// <summary>The one device of a set of <see cref="EqualBits"/>.</summary>
    internal static IReadOnlyCollection<IForwardKernels> SetOf(string name) => [Get(name)];

    /// <summary>A size: <paramref name="most"/>, but <paramref name="emulated"/> on the emulator.</summary>
    internal static int Limit(string name, int most, int emulated) => TestDevices.IsEmulator(name) ? emulated : most;

    internal static void ForAllShapes(string name, int maxRows, int maxColumns, Action<int, int, Random> test)
    {
        test(0, maxColumns, new Random(1));
        // A group takes a long row in several rounds: where rows are few they are long on the emulator too.
        int columns = maxRows <= FewRows ? EmulatedRow : EmulatedColumns;
        TestDevices.ForShapes(
            name, Limit(name, maxRows, Math.Min(maxRows, EmulatedRows)), Limit(name, maxColumns, Math.Min(maxColumns, columns)), test, factor: 1);
    }

    private static bool IsSmall(GoldenCase golden) => golden.Parameters.TryGetProperty("T", out System.Text.Json.JsonElement tokens)
        ? tokens.GetInt32() <= EmulatedTokens
        : golden.Tensors.Values.Sum(tensor => tensor.Shape.Aggregate(1L, (product, length) => product * length)) <= EmulatedElements;
}
