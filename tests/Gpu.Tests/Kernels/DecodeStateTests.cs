using Mellum2.Managed.Kernels.Tests;

namespace Mellum2.Managed.Gpu.Tests;

/// <summary>What a decoding loop keeps on the device: the chosen token, and positions that kernels read and move on.</summary>
public sealed class DecodeStateTests
{
    private static int[] ArgMax(IForwardKernels kernels, int rows, int width, float[] logits)
    {
        using Tensor x = kernels.Input(new Shape(rows, width), logits), ids = Tensor.Allocate(DType.I32, new Shape(rows), kernels.Device);
        kernels.ArgMax(x, ids);
        int[] result = new int[rows];
        ids.Read<int>(result);
        return result;
    }

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void ArgMax_agrees_with_the_definition(string device) => TestDevices.ForShapes(device, 2, 700, (rows, width, random) =>
    {
        float[] x = [.. random.Random((long)rows * width, scale: 3).Select(value => random.Next(100) == 0 ? float.NegativeInfinity : MathF.Round(value))];
        Assert.Equal(ArgMax(TestDevices.Reference, rows, width, x), ArgMax(TestDevices.Get(device), rows, width, x));
    });

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void ArgMax_of_equals_infinities_and_NaN(string device)
    {
        float inf = float.PositiveInfinity, nan = float.NaN;
        Assert.Equal(
            [1, 2, -1, -1, 0, -1, 1],
            ArgMax(TestDevices.Get(device), 7, 3, [1, 2, 2, 0, -inf, inf, -inf, -inf, -inf, 1, nan, 2, inf, inf, 0, nan, nan, nan, -inf, -3e38f, -inf]));
        // Equals and a NaN that different threads meet.
        float[] row = new float[600];
        row[599] = row[300] = row[43] = 1;
        Assert.Equal([43], ArgMax(TestDevices.Get(device), 1, 600, row));
        row[511] = nan;
        Assert.Equal([-1], ArgMax(TestDevices.Get(device), 1, 600, row));
    }

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void Counters_advance(string device)
    {
        GpuKernels kernels = TestDevices.Get(device);
        using Tensor counters = Tensor.Allocate(DType.I32, new Shape(70), kernels.Device);
        int[] values = [.. Enumerable.Range(-3, 70)];
        counters.Write<int>(values);
        kernels.Advance(counters, 1);
        kernels.Advance(counters, 5);
        int[] after = new int[70];
        counters.Read<int>(after);
        Assert.Equal(values.Select(value => value + 6), after);
    }

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void Attention_at_a_position_on_the_device_has_the_bits_of_the_same_position_by_value(string device)
    {
        GpuKernels kernels = TestDevices.Get(device);
        Random random = new(21);
        const int Total = 1100, Rows = 3, Dimension = 6;
        foreach ((int window, int ring, int cached) in new[] { (0, 0, 0), (0, 0, 511), (0, 0, 1050), (30, 128, 1050), (600, 704, 1000) })
        {
            AttentionCase sequence = new(
                2, 1, Dimension, window, BFloat16: false, random.Random(Total * Dimension, scale: 2), random.Random(Total * Dimension));
            float[] q = random.Random(Rows * 2 * Dimension);
            var want = sequence.Run(kernels, q, cached, [Rows], ring, spoil: 3e38, least: Total);
            var got = sequence.Run(kernels, q, cached, [Rows], ring, spoil: 3e38, least: Total, onDevice: true);
            Activations.AssertSame(want.Output, got.Output);
            Activations.AssertSame(want.LogSumExp, got.LogSumExp);
        }
    }
}
