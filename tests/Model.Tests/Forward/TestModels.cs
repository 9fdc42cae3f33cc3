using Mellum2.Managed.Engine;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Model.Tests;

/// <summary>The golden checkpoints on each back end, loaded once per test run.</summary>
internal static class TestModels
{
    private static readonly Dictionary<(string, string), Mellum> s_loaded = [];

    /// <summary>The back ends that every machine has.</summary>
    public static readonly string[] BackEnds = ["reference", "simd"];

    /// <summary>The checkpoint at <paramref name="folder"/> below <c>tests/golden</c>, for one test at a time.</summary>
    public static Mellum Get(string folder, string backEnd)
    {
        lock (s_loaded)
        {
            if (!s_loaded.TryGetValue((folder, backEnd), out Mellum? model))
                s_loaded[(folder, backEnd)] = model = Load(folder, backEnd);
            return model;
        }
    }

    public static Mellum Load(string folder, string backEnd, int threads = 2, VectorWidth width = VectorWidth.Auto) =>
        Mellum.Load(
            GoldenFolder.Find(folder.Split('/')),
            new MellumOptions { Reference = backEnd == "reference", Threads = threads, VectorWidth = width });

    /// <summary>The values of an activation as float32.</summary>
    public static float[] Values(Tensor tensor) => tensor.Type == DType.F64
        ? [.. tensor.Span<double>().ToArray().Select(v => (float)v)]
        : tensor.Span<float>().ToArray();
}

/// <summary>Tests that run models share the loaded ones, and pools that run one call at a time: one after the other.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ModelCollection
{
    /// <summary>The collection's name.</summary>
    public const string Name = "models";
}
