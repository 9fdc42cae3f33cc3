using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

/// <summary>The project's own functions against float64, densely over all exponents.</summary>
public class LaneMathTests
{
    // A prime step over the bit patterns: every exponent gets thousands of mantissas.
    private const uint Step = 1499;

    private static IEnumerable<float> Numbers(float from, float to)
    {
        uint begin = BitConverter.SingleToUInt32Bits(from), end = BitConverter.SingleToUInt32Bits(to);
        for (uint bits = begin; bits <= end; bits += Step)
            yield return BitConverter.UInt32BitsToSingle(bits);
    }

    private static double LargestError(IEnumerable<float> numbers, Func<float, double> want, Func<float, float> got) =>
        numbers.Max(x => Math.Abs(got(x) - want(x)) / Math.Abs(want(x)));

    // Silu in vectors only; every lane does the same.
    private static float Silu(float x) => Lanes128.MaxLane(LaneMath<Lanes128>.Silu(Lanes128.Broadcast(x)));

    [Theory]
    [InlineData(1, 88.7f)]
    [InlineData(-1, 86.6f)]
    public void Exp_is_right_to_2_to_the_minus_22(int sign, float to) =>
        Assert.InRange(LargestError(Numbers(1e-30f, to).Select(x => sign * x), x => Math.Exp(x), LaneMath<Lanes128>.Exp), 0, Math.Pow(2, -22));

    [Theory]
    [InlineData(1, 3e38f)]
    [InlineData(-1, 87f)]
    public void Silu_is_right_to_2_to_the_minus_21(int sign, float to) =>
        Assert.InRange(LargestError(Numbers(1e-37f, to).Select(x => sign * x), x => x / (1 + Math.Exp(-x)), Silu), 0, Math.Pow(2, -21));

    [Fact]
    public void Log_is_right_to_2_to_the_minus_22() =>
        Assert.InRange(LargestError(Numbers(float.Epsilon, float.MaxValue), x => Math.Log(x), LaneMath<Lanes128>.Log), 0, Math.Pow(2, -22));

    [Fact]
    public void Exp_at_the_edges()
    {
        Assert.Equal(1, LaneMath<Lanes128>.Exp(0f));
        Assert.Equal(0, LaneMath<Lanes128>.Exp(float.NegativeInfinity));
        Assert.Equal(0, LaneMath<Lanes128>.Exp(-1e30f));
        Assert.Equal(float.PositiveInfinity, LaneMath<Lanes128>.Exp(float.PositiveInfinity));
        Assert.Equal(float.PositiveInfinity, LaneMath<Lanes128>.Exp(88.8f));
        Assert.True(float.IsNaN(LaneMath<Lanes128>.Exp(float.NaN)));
    }

    [Fact]
    public void Log_at_the_edges()
    {
        Assert.Equal(0, LaneMath<Lanes128>.Log(1f));
        Assert.Equal(float.NegativeInfinity, LaneMath<Lanes128>.Log(0f));
        Assert.Equal(float.NegativeInfinity, LaneMath<Lanes128>.Log(-0f));
        Assert.Equal(float.PositiveInfinity, LaneMath<Lanes128>.Log(float.PositiveInfinity));
        Assert.True(float.IsNaN(LaneMath<Lanes128>.Log(-1f)));
        Assert.True(float.IsNaN(LaneMath<Lanes128>.Log(float.NegativeInfinity)));
        Assert.True(float.IsNaN(LaneMath<Lanes128>.Log(float.NaN)));
    }
}
