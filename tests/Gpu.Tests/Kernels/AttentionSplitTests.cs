namespace Mellum2.Managed.Gpu.Tests;

/// <summary>What is a device's own: keys in ranges of 512, each by a group of its own.</summary>
public sealed class AttentionSplitTests
{
    private static AttentionCase Create(Random random, int total, int dimension, int window, bool bfloat16)
    {
        int kvHeads = random.Next(1, 3), group = random.Next(1, 3);
        float[] k = random.Random((long)total * kvHeads * dimension, scale: 2), v = random.Random((long)total * kvHeads * dimension);
        return new AttentionCase(kvHeads * group, kvHeads, dimension, window, bfloat16, k, v);
    }

    /// <summary>Rows, positions before them, head dimension, window, BF16 cache.</summary>
    public static IEnumerable<object[]> Cases()
    {
        foreach (object[] device in TestDevices.Names)
        {
            yield return [device[0], 1, 0, 1, 0, false];
            yield return [device[0], 10, 130, 130, 100, true];
            yield return [device[0], 2, 511, 7, 0, false];
            yield return [device[0], 3, 600, 9, 90, false];
            if (TestDevices.IsEmulator((string)device[0]))
                continue;
            yield return [device[0], 1, 2000, 256, 0, true];
            yield return [device[0], 8, 1500, 128, 1024, true];
            yield return [device[0], 300, 700, 128, 1024, true];
            yield return [device[0], 300, 0, 128, 0, false];
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Agrees_with_the_definition(string device, int rows, int cached, int dimension, int window, bool bfloat16)
    {
        Random random = new(rows + cached);
        AttentionCase sequence = Create(random, cached + rows, dimension, window, bfloat16);
        float[] q = random.Random((long)rows * sequence.Heads * dimension);
        var want = sequence.Run(TestDevices.Reference, q, cached, [rows]);
        var got = sequence.Run(TestDevices.Get(device), q, cached, [rows]);
        Activations.AssertClose(want.Output, got.Output, 0, 1e-5);
        Activations.AssertClose(want.LogSumExp, got.LogSumExp, 2e-6, 2e-6);
    }

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void Prefill_decoding_and_a_ring_give_equal_bits(string device)
    {
        GpuKernels kernels = TestDevices.Get(device);
        Random random = new(5);
        const int Rows = 10, Cached = 508, Dimension = 6;
        foreach (int window in new[] { 0, 30 })
        {
            AttentionCase sequence = Create(random, Cached + Rows, Dimension, window, bfloat16: true) with { Heads = 2, KvHeads = 1 };
            float[] q = random.Random(Rows * sequence.Heads * Dimension);
            var want = sequence.Run(kernels, q, Cached, [Rows]);
            foreach (int[] steps in new int[][] { [8, 2], [1, 1, 1, 1, 1, 1, 1, 1, 1, 1] })
            {
                var parts = sequence.Run(kernels, q, Cached, steps, window == 0 ? 0 : 128, spoil: 3e38);
                Activations.AssertSame(want.Output, parts.Output);
                Activations.AssertSame(want.LogSumExp, parts.LogSumExp);
            }
        }
    }

    [Fact]
    public void Heads_that_are_too_wide_are_refused()
    {
        GpuKernels kernels = TestDevices.Get("emulator:0");
        using KvLayer cache = new(1, 257, DType.F32, 1, kernels.Device.Allocate);
        using Tensor q = kernels.Output(new Shape(1, 257)), y = kernels.Output(new Shape(1, 257));
        InvalidInputException error = Assert.Throws<InvalidInputException>(
            () => kernels.Attention(q, new SequenceRows(0, 1, 0), cache, new AttentionParameters(1, 0, 1), y));
        Assert.Contains("257 wide", error.Message, StringComparison.Ordinal);
    }
}
