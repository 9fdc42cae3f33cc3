using Mellum2.Managed.Kernels.Tests;

namespace Mellum2.Managed.Gpu.Tests;

/// <summary>What a decoding loop keeps on the device: positions that kernels read.</summary>
public sealed class DecodeStateTests
{
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
