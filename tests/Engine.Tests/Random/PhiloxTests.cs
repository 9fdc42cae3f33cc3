using Xunit;

namespace Mellum2.Managed.Engine.Tests;

public class PhiloxTests
{
    /// <summary>The known answers that the authors' Random123 distribution gives for philox4x32-10.</summary>
    [Theory]
    [InlineData(0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8)]
    [InlineData(
        0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd)]
    [InlineData(
        0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1)]
    public void Gives_the_known_answers(
        uint c0, uint c1, uint c2, uint c3, uint k0, uint k1, uint x0, uint x1, uint x2, uint x3) =>
        Assert.Equal((x0, x1, x2, x3), Philox.Block(c0, c1, c2, c3, k0, k1));

    [Fact]
    public void Uniform_numbers_lie_in_the_unit_interval_and_are_uniform()
    {
        const int count = 100_000;
        double sum = 0, squares = 0;
        for (ulong i = 0; i < count; i++)
        {
            double u = Philox.Uniform(5, i, 1);
            Assert.InRange(u, 0, 1 - double.Epsilon);
            sum += u;
            squares += u * u;
        }
        // Six standard deviations of the means.
        Assert.Equal(0.5, sum / count, 0.006);
        Assert.Equal(1 / 3.0, squares / count, 0.006);
    }

    [Fact]
    public void Normal_numbers_have_mean_0_and_variance_1()
    {
        const int count = 100_000;
        double sum = 0, squares = 0, fourth = 0;
        for (ulong i = 0; i < count; i++)
        {
            double x = Philox.Normal(6, i, 2);
            Assert.True(double.IsFinite(x));
            sum += x;
            squares += x * x;
            fourth += x * x * x * x;
        }
        Assert.Equal(0, sum / count, 0.02);
        Assert.Equal(1, squares / count, 0.03);
        Assert.Equal(3, fourth / count, 0.2);
    }

    [Fact]
    public void Seed_position_and_purpose_each_matter_in_all_their_bits()
    {
        ulong origin = Philox.Bits(0, 0, 0);
        for (int bit = 0; bit < 64; bit++)
        {
            Assert.NotEqual(origin, Philox.Bits(1UL << bit, 0, 0));
            Assert.NotEqual(origin, Philox.Bits(0, 1UL << bit, 0));
            if (bit < 32)
                Assert.NotEqual(origin, Philox.Bits(0, 0, 1u << bit));
        }
    }
}
