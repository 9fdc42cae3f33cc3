using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Training.Tests;

/// <summary>Segments with scales of their own: the same codes in every back end, and factors that float32 cannot hold.</summary>
public sealed class ScaledSegmentsTests
{
    private const int Tokens = 40, Slots = 3, Experts = 6;

    [Theory]
    [InlineData(DType.F8E4M3, true)]
    [InlineData(DType.F8E5M2, false)]
    public void Back_ends_round_to_the_same_values(DType format, bool gathered)
    {
        foreach (int width in new[] { 1, 16, 37, 600 })
        {
            Random random = new(width);
            int rows = gathered ? Tokens * Slots : Tokens;
            float[] values = random.Normal((long)Tokens * width);
            for (int i = 0; i < values.Length; i++)
                values[i] *= MathF.ScaleB(1, random.Next(-30, 30));
            values[3] = float.NaN;
            values[^1] = float.PositiveInfinity;
            // The second segment has no row.
            int[] offsets = [0, rows / 4, rows / 4, rows / 2, rows / 2 + 1, rows - 1, rows];
            int[] order = [.. Enumerable.Range(0, rows).OrderBy(_ => random.Next())];
            (double[] Values, float[] Inverses) want = Rounded(BackEnds.Reference, values, width, gathered ? order : null, offsets, format);
            Assert.Equal(1, want.Inverses[1]);
            foreach (IOptimizerKernels kernels in BackEnds.Simd.Values)
            {
                var (got, inverses) = Rounded(kernels, values, width, gathered ? order : null, offsets, format);
                Assert.Equal(want.Inverses, inverses);
                Assert.Equal(want.Values, got);
            }
        }
    }

    [Theory]
    [MemberData(nameof(BackEnds.Names), MemberType = typeof(BackEnds))]
    public void A_segment_is_what_a_tensor_of_its_own_is(string name)
    {
        IOptimizerKernels kernels = BackEnds.Get(name);
        const int Width = 50;
        float[] values = new Random(1).Normal(Tokens * Width);
        int[] offsets = [0, 7, 30, Tokens];
        var (got, inverses) = Rounded(kernels, values, Width, null, offsets, DType.F8E4M3);
        using PooledWorkspace workspace = new();
        for (int s = 0; s < 3; s++)
        {
            int begin = offsets[s] * Width, end = offsets[s + 1] * Width;
            using Tensor part = kernels.Input(new Shape(offsets[s + 1] - offsets[s], Width), values.AsSpan(begin, end - begin)), decoded = kernels.Zeros(part.Shape);
            Float8Operand operand = new Float8Products(kernels, workspace).Quantize(part, DType.F8E4M3);
            kernels.DecodeFloat8(operand.Codes, decoded);
            Assert.Equal(operand.Scale.Inverse, inverses[s]);
            Assert.Equal(decoded.Read(), got[begin..end]);
        }
    }

    [Fact]
    public void Every_kind_of_number_rounds_as_its_code_does()
    {
        // All signs, exponents and upper mantissa bits, at and beside the ties; an infinity makes the scale 1.
        float[] values = [.. from high in Enumerable.Range(0, 1 << 16)
                             from low in (uint[])[0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF]
                             select BitConverter.UInt32BitsToSingle(((uint)high << 16) | low)];
        foreach (IOptimizerKernels kernels in BackEnds.Simd.Values)
        {
            var (e4m3, scale) = Rounded(kernels, values, values.Length, null, [0, 1], DType.F8E4M3);
            var (e5m2, _) = Rounded(kernels, values, values.Length, null, [0, 1], DType.F8E5M2);
            Assert.Equal(1, scale[0]);
            using Tensor x = kernels.Input(new Shape(values.Length), values), y = kernels.Zeros(x.Shape);
            kernels.RoundToBFloat16(x, y);
            double[] bfloat16 = y.Read();
            for (int i = 0; i < values.Length; i++)
            {
                Same(Float8E4M3.FromSingle(values[i]).ToSingle(), e4m3[i], values[i]);
                Same(Float8E5M2.FromSingle(values[i]).ToSingle(), e5m2[i], values[i]);
                Same(BFloat16.FromSingle(values[i]).ToSingle(), bfloat16[i], values[i]);
            }
        }

        static void Same(float want, double got, float value)
        {
            if (BitConverter.DoubleToInt64Bits(want) != BitConverter.DoubleToInt64Bits(got) && !(float.IsNaN(want) && double.IsNaN(got)))
                Assert.Fail($"{value:R}: got {got:R}, want {want:R}");
        }
    }

    [Theory]
    [MemberData(nameof(BackEnds.Names), MemberType = typeof(BackEnds))]
    public void Factors_beyond_float32_lose_nothing(string name)
    {
        IOptimizerKernels kernels = BackEnds.Get(name);
        ITrainingKernels training = (ITrainingKernels)kernels;
        const int Width = 21;
        float[] a = [1e-30f, 3e38f, 0.3f, 1e-39f], b = [1e-20f, 2e10f, 7, 3e38f];
        float[] values = new Random(2).Normal(4 * Width);
        for (int i = 0; i < values.Length; i++)
            values[i] *= (i / Width) switch { 0 => 1e25f, 1 => 1e-30f, _ => 1 };
        using Tensor y = kernels.Input(new Shape(4, Width), values), offsets = Tensor.From<int>(DType.I32, new Shape(5), [0, 1, 2, 3, 4]);
        using Tensor left = Tensor.From<float>(DType.F32, new Shape(4), a), right = Tensor.From<float>(DType.F32, new Shape(4), b);
        Tensor[] sums = [.. Enumerable.Range(1, 3).Select(i => kernels.Input(new Shape(1, Width), [.. Enumerable.Repeat((float)i, Width)]))];
        training.AddScaledSegments(y.RowsView(1, 3), left, right, 1, sums);
        for (int i = 0; i < 3 * Width; i++)
        {
            double product = (double)a[1 + i / Width] * b[1 + i / Width] * values[Width + i], want = product + 1 + i / Width;
            Assert.Equal(want, sums[i / Width].Read()[i % Width], 3e-7 * (Math.Abs(want) + Math.Abs(product)));
        }
        training.ScaleSegments(y, offsets, left, right);
        double[] got = y.Read();
        for (int i = 0; i < values.Length; i++)
        {
            double want = (double)a[i / Width] * b[i / Width] * values[i];
            Assert.Equal(want, got[i], 3e-7 * Math.Abs(want));
        }
    }

    private static (double[] Values, float[] Inverses) Rounded(
        IOptimizerKernels kernels, float[] values, int width, int[]? order, int[] offsets, DType format)
    {
        int segments = offsets.Length - 1;
        using Tensor x = kernels.Input(new Shape(values.Length / width, width), values), y = kernels.Zeros(new Shape(offsets[^1], width));
        using Tensor bounds = Tensor.From<int>(DType.I32, new Shape(offsets.Length), offsets), inverses = Tensor.Allocate(DType.F32, new Shape(segments));
        using Tensor? places = order is null ? null : Tensor.From<int>(DType.I32, new Shape(order.Length), order);
        ((ITrainingKernels)kernels).RoundToFloat8(x, places, Slots, bounds, format, y, inverses);
        return (y.Read(), inverses.Span<float>().ToArray());
    }
}
