using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Tests;

// The kernels use all cores themselves, and a worker pool serves one call at a time.
[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace Mellum2.Managed.Training.Tests;

/// <summary>The back ends that this machine has, and tensors in their activation type.</summary>
public static class BackEnds
{
    /// <summary>The definition.</summary>
    internal static IOptimizerKernels Reference { get; } = new ReferenceKernels();

    /// <summary>Every vector width with one and with two threads. All give equal bits.</summary>
    internal static Dictionary<string, IOptimizerKernels> Simd { get; } = CreateSimd();

    /// <summary>The names of all back ends.</summary>
    public static IEnumerable<object[]> Names => Simd.Keys.Prepend("reference").Select(name => new object[] { name });

    /// <summary>All back ends with every case of a golden topic.</summary>
    public static IEnumerable<object[]> WithGoldens(string topic) =>
        from name in Names
        from golden in GoldenManifest.NumericCases(topic)
        select new[] { name[0], golden[0] };

    internal static IOptimizerKernels Get(string name) => name == "reference" ? Reference : Simd[name];

    /// <summary>A tensor with these values in the back end's activation type.</summary>
    internal static Tensor Input(this IForwardKernels kernels, Shape shape, ReadOnlySpan<float> values)
    {
        Tensor tensor = Tensor.Allocate(kernels.ActivationType, shape);
        WriteSingles(tensor, values);
        return tensor;
    }

    /// <summary>A tensor of a golden.</summary>
    internal static Tensor Input(this IForwardKernels kernels, GoldenTensor golden) => kernels.Input(Shape.Of(golden.Shape), golden.Singles());

    /// <summary>A tensor of zeros in the back end's activation type.</summary>
    internal static Tensor Zeros(this IForwardKernels kernels, Shape shape) => Tensor.Allocate(kernels.ActivationType, shape);

    /// <summary>Overwrites a tensor of F32 or F64.</summary>
    internal static void WriteSingles(this Tensor tensor, ReadOnlySpan<float> values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            if (tensor.Type == DType.F64)
                tensor.Span<double>()[i] = values[i];
            else
                tensor.Span<float>()[i] = values[i];
        }
    }

    /// <summary>The values of a tensor of F32 or F64.</summary>
    internal static double[] Read(this Tensor tensor)
    {
        double[] values = new double[tensor.Count];
        for (int i = 0; i < values.Length; i++)
            values[i] = tensor.Type == DType.F64 ? tensor.Span<double>()[i] : tensor.Span<float>()[i];
        return values;
    }

    /// <summary>The bytes of a tensor.</summary>
    internal static unsafe byte[] Bytes(this Tensor tensor) => new ReadOnlySpan<byte>(tensor.Data, checked((int)tensor.ByteLength)).ToArray();

    /// <summary>Random numbers around 0.</summary>
    internal static float[] Normal(this Random random, long count, double scale = 1)
    {
        float[] values = new float[count];
        for (int i = 0; i < values.Length; i++)
            values[i] = (float)((random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5) * 2 * scale);
        return values;
    }

    private static Dictionary<string, IOptimizerKernels> CreateSimd()
    {
        Dictionary<string, IOptimizerKernels> all = [];
        foreach (int threads in new[] { 1, 2 })
        {
            WorkerPool pool = new(threads);
            foreach (VectorWidth width in new[] { VectorWidth.V512, VectorWidth.V256, VectorWidth.V128, VectorWidth.Scalar })
                if (width <= Processor.WidestVectors)
                    all.Add($"{width} x {threads}", (IOptimizerKernels)SimdKernels.Create(pool, width));
        }
        return all;
    }
}
