using FsCheck.Xunit;
using Xunit;

namespace Mellum2.Managed.Engine.Tests;

/// <summary>
/// The narrow formats against their definition: a code's value is sign · 2^(e − bias) · (1 + m/2^M) in float64, and a number
/// rounds to the nearest value, to the one with even code between two.
/// </summary>
public class NumberFormatTests
{
    /// <summary>A format by its numbers alone.</summary>
    private sealed record Format(
        int ExponentBits, int MantissaBits, bool Saturates, int LargestFinite, Func<int, float> Decode, Func<float, int> Encode)
    {
        public int Sign => 1 << (ExponentBits + MantissaBits);

        public int Bias => (1 << (ExponentBits - 1)) - 1;

        /// <summary>The value of a code without its sign.</summary>
        public double Magnitude(int code)
        {
            int exponent = code >> MantissaBits, mantissa = code & ((1 << MantissaBits) - 1);
            return exponent == 0
                ? Math.ScaleB(mantissa, 1 - Bias - MantissaBits)
                : Math.ScaleB((1 << MantissaBits) + mantissa, exponent - Bias - MantissaBits);
        }

        /// <summary>The code of the nearest value, by search; what lies beyond half a step above the largest overflows.</summary>
        public int Nearest(double magnitude)
        {
            int low = 0, high = LargestFinite + 1;
            while (high - low > 1)
            {
                int middle = (low + high) / 2;
                if (Magnitude(middle) <= magnitude)
                    low = middle;
                else
                    high = middle;
            }
            double below = magnitude - Magnitude(low), above = Magnitude(low + 1) - magnitude;
            int nearest = below < above || (below == above && low % 2 == 0) ? low : low + 1;
            return Saturates ? Math.Min(nearest, LargestFinite) : nearest;
        }
    }

    private static readonly Dictionary<string, Format> s_formats = new()
    {
        ["E4M3"] = new(4, 3, true, 0x7E, c => new Float8E4M3((byte)c).ToSingle(), x => Float8E4M3.FromSingle(x).Bits),
        ["E5M2"] = new(5, 2, true, 0x7B, c => new Float8E5M2((byte)c).ToSingle(), x => Float8E5M2.FromSingle(x).Bits),
        ["F16"] = new(5, 10, false, 0x7BFF, c => Float16.ToSingle((ushort)c), x => Float16.FromSingle(x)),
        ["BF16"] = new(8, 7, false, 0x7F7F, c => new BFloat16((ushort)c).ToSingle(), x => BFloat16.FromSingle(x).Bits),
    };

    public static TheoryData<string> Names => new(s_formats.Keys);

    private static void CheckRounding(Format format, float x)
    {
        int want = format.Nearest(Math.Min(Math.Abs((double)x), 1e39)) | (float.IsNegative(x) ? format.Sign : 0);
        Assert.True(want == format.Encode(x), $"{x:R}: got {format.Encode(x):X}, want {want:X}");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_finite_code_decodes_to_its_definition_and_back(string name)
    {
        Format format = s_formats[name];
        for (int code = 0; code <= format.LargestFinite; code++)
        {
            foreach (int sign in new[] { 0, format.Sign })
            {
                float value = format.Decode(code | sign);
                Assert.Equal(sign == 0 ? format.Magnitude(code) : -format.Magnitude(code), value);
                Assert.Equal(code | sign, format.Encode(value));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_midpoint_and_the_numbers_beside_it_round_to_nearest_even(string name)
    {
        Format format = s_formats[name];
        for (int code = 0; code <= format.LargestFinite; code++)
        {
            double middle = (format.Magnitude(code) + format.Magnitude(code + 1)) / 2;
            // The last step of bfloat16 leads to 2^128, which no float32 reaches.
            if (middle > float.MaxValue || (float)middle != middle)
                continue;
            foreach (float x in new[] { (float)middle, MathF.BitIncrement((float)middle), MathF.BitDecrement((float)middle) })
            {
                CheckRounding(format, x);
                CheckRounding(format, -x);
            }
        }
    }

    [Property(MaxTest = 20000)]
    public void Any_number_rounds_to_the_nearest(uint bits)
    {
        float x = BitConverter.UInt32BitsToSingle(bits * 2654435761u);
        foreach (Format format in s_formats.Values)
            if (!float.IsNaN(x))
                CheckRounding(format, x);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void NaN_stays_NaN_with_its_sign_and_infinity_does_what_the_format_says(string name)
    {
        Format format = s_formats[name];
        foreach (uint bits in new uint[] { 0x7F80_0001, 0x7FC0_0000, 0x7FFF_FFFF })
        {
            Assert.True(float.IsNaN(format.Decode(format.Encode(BitConverter.UInt32BitsToSingle(bits)))));
            Assert.Equal(0, format.Encode(BitConverter.UInt32BitsToSingle(bits)) & format.Sign);
            Assert.NotEqual(0, format.Encode(BitConverter.UInt32BitsToSingle(bits | 0x8000_0000)) & format.Sign);
        }
        int infinity = format.Encode(float.PositiveInfinity);
        Assert.Equal(format.Saturates ? format.LargestFinite : format.LargestFinite + 1, infinity);
        Assert.Equal(infinity | format.Sign, format.Encode(float.NegativeInfinity));
        if (!format.Saturates)
            Assert.Equal(float.PositiveInfinity, format.Decode(infinity));
    }

    [Fact]
    public void The_codes_beyond_the_largest_of_E5M2_are_infinity_and_NaN()
    {
        Assert.Equal(float.NegativeInfinity, new Float8E5M2(0xFC).ToSingle());
        Assert.True(float.IsNaN(new Float8E5M2(0x7D).ToSingle()) && float.IsNaN(new Float8E5M2(0xFF).ToSingle()));
        Assert.True(float.IsNaN(new Float8E4M3(0x7F).ToSingle()) && float.IsNaN(new Float8E4M3(0xFF).ToSingle()));
    }

    [Fact]
    public void Binary16_is_that_of_the_runtime()
    {
        for (int code = 0; code <= ushort.MaxValue; code++)
        {
            float want = (float)BitConverter.UInt16BitsToHalf((ushort)code);
            Assert.True(want.Equals(Float16.ToSingle((ushort)code)) && float.IsNegative(want) == float.IsNegative(Float16.ToSingle((ushort)code)));
        }
    }

    [Theory]
    [InlineData(DType.F64, 8, "F64")]
    [InlineData(DType.BF16, 2, "BF16")]
    [InlineData(DType.F8E4M3, 1, "F8_E4M3")]
    [InlineData(DType.F8E5M2, 1, "F8_E5M2")]
    [InlineData(DType.I32, 4, "I32")]
    public void Types_have_sizes_and_names(DType type, int size, string name)
    {
        Assert.Equal(size, type.Size());
        Assert.Equal(name, type.Name());
        Assert.True(DTypes.TryParse(name, out DType parsed));
        Assert.Equal(type, parsed);
        Assert.False(DTypes.TryParse(name + "X", out _));
    }
}
