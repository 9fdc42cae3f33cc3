namespace Mellum2.Managed.Gpu.Tests;

/// <summary>The operations that take a row at a time, against the definition.</summary>
public sealed class RowKernelTests
{
    private const double Tolerance = 1.0 / (1 << 20);

    private static double[] Norm(IForwardKernels kernels, int rows, int groups, int width, float[] x, float[] weight)
    {
        using Tensor input = kernels.Input(new Shape(rows, groups * width), x);
        using Tensor w = Activations.Singles(new Shape(width), weight, kernels.Device);
        using Tensor y = kernels.Output(new Shape(rows, groups * width));
        kernels.RmsNorm(input, w, 1e-6f, y);
        return y.Read();
    }

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void RmsNorm_agrees_with_the_definition(string device) => TestDevices.ForShapes(device, 4, 150, (rows, width, random) =>
    {
        int groups = random.Next(1, 4);
        float[] x = random.Random((long)rows * groups * width, extremes: true), weight = random.Random(width);
        Activations.AssertClose(
            Norm(TestDevices.Reference, rows, groups, width, x, weight), Norm(TestDevices.Get(device), rows, groups, width, x, weight), Tolerance, 1e-37);
    });

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void RmsNorm_keeps_a_NaN_in_its_row_and_squares_may_overflow(string device)
    {
        const int width = 37;
        float[] x = new Random(1).Random(3 * width), weight = new Random(2).Random(width);
        double[] before = Norm(TestDevices.Get(device), 3, 1, width, x, weight);
        x[width + 20] = float.NaN;
        double[] after = Norm(TestDevices.Get(device), 3, 1, width, x, weight);
        Assert.True(double.IsNaN(after[width + 20]));
        Activations.AssertSame(before[..width], after[..width]);
        Activations.AssertSame(before[(2 * width)..], after[(2 * width)..]);
        float[] large = [.. new Random(3).Random(100).Select(v => v * 1e38f)], ones = new Random(4).Random(100);
        Activations.AssertClose(
            Norm(TestDevices.Reference, 1, 1, 100, large, ones), Norm(TestDevices.Get(device), 1, 1, 100, large, ones), Tolerance, 0);
    }

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void Rounding_to_bfloat16_takes_ties_to_even_and_keeps_NaN_and_infinity(string device)
    {
        GpuKernels kernels = TestDevices.Get(device);
        float[] x =
        [
            .. new uint[] { 0x3F808000, 0x3F818000, 0x3F807FFF, 0x3F808001, 0xBF808000, 0x7F7FFFFF, 0x7F800000, 0xFF800000, 0x00008000, 0x00018000 }
                .Select(BitConverter.UInt32BitsToSingle), float.NaN, BitConverter.UInt32BitsToSingle(0x7F800001),
        ];
        using Tensor input = kernels.Input(new Shape(1, x.Length), x), y = kernels.Output(new Shape(1, x.Length));
        kernels.RoundToBFloat16(input, y);
        Activations.AssertSame([.. x.Select(value => (double)BFloat16.FromSingle(value).ToSingle())], y.Read());
    }

    private static double[] SwiGlu(IForwardKernels kernels, int rows, int width, float[] gateUp)
    {
        using Tensor input = kernels.Input(new Shape(rows, 2 * width), gateUp);
        using Tensor y = kernels.Output(new Shape(rows, width));
        kernels.SwiGlu(input, y);
        return y.Read();
    }

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void SwiGlu_agrees_with_the_definition(string device) => TestDevices.ForShapes(device, 7, 150, (rows, width, random) =>
    {
        float[] gate = random.Random((long)rows * width, scale: 20), up = random.Random((long)rows * width);
        float[] x = [.. gate.Chunk(width).Zip(up.Chunk(width), (g, u) => g.Concat(u)).SelectMany(row => row)];
        Activations.AssertClose(
            SwiGlu(TestDevices.Reference, rows, width, x), SwiGlu(TestDevices.Get(device), rows, width, x), Tolerance, 1e-35);
    });

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void SwiGlu_of_infinities_and_NaN(string device)
    {
        float inf = float.PositiveInfinity;
        double[] y = SwiGlu(TestDevices.Get(device), 1, 5, [-inf, inf, float.NaN, 1, 0, 2, 2, 2, float.NaN, 3]);
        Assert.Equal(0, y[0]);
        Assert.Equal(double.PositiveInfinity, y[1]);
        Assert.True(double.IsNaN(y[2]) && double.IsNaN(y[3]));
        Assert.Equal(0, y[4]);
    }

    private static double[] Lse(IForwardKernels kernels, int rows, int width, float[] logits)
    {
        using Tensor x = kernels.Input(new Shape(rows, width), logits), lse = kernels.Output(new Shape(rows));
        kernels.LogSumExp(x, lse);
        return lse.Read();
    }

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void LogSumExp_agrees_with_the_definition(string device) => TestDevices.ForShapes(device, 2, 700, (rows, width, random) =>
    {
        float[] logits = random.Random((long)rows * width, scale: 10);
        double[] want = Lse(TestDevices.Reference, rows, width, logits);
        Activations.AssertClose(want, Lse(TestDevices.Get(device), rows, width, logits), Tolerance, Tolerance);
    });

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void LogSumExp_of_infinities_and_NaN(string device)
    {
        float inf = float.PositiveInfinity;
        double[] lse = Lse(TestDevices.Get(device), 4, 3, [-inf, -inf, -inf, 1, inf, 2, -inf, 3, -inf, 1, float.NaN, 2]);
        Assert.Equal(double.NegativeInfinity, lse[0]);
        Assert.Equal(double.PositiveInfinity, lse[1]);
        Assert.Equal(3, lse[2], 1e-6);
        Assert.True(double.IsNaN(lse[3]));
    }

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void Sums_and_copies_are_exact(string device) => TestDevices.ForShapes(device, 7, 100, (rows, width, random) =>
    {
        GpuKernels kernels = TestDevices.Get(device);
        int right = random.Next(1, 50);
        float[] a = random.Random((long)rows * width, extremes: true), b = random.Random((long)rows * width), c = random.Random((long)rows * right);
        using Tensor ta = kernels.Input(new Shape(rows, width), a), tb = kernels.Input(new Shape(rows, width), b);
        using Tensor tc = kernels.Input(new Shape(rows, right), c), sum = kernels.Output(new Shape(rows, width));
        using Tensor joined = kernels.Output(new Shape(rows, width + right));
        kernels.Add(ta, tb, sum);
        kernels.Concatenate(ta, tc, joined);
        Activations.AssertSame([.. a.Zip(b, (x, y) => (double)(x + y))], sum.Read());
        Activations.AssertSame(
            [.. a.Chunk(width).Zip(c.Chunk(right), (x, y) => x.Concat(y)).SelectMany(row => row).Select(v => (double)v)], joined.Read());
        kernels.RoundToBFloat16(ta, sum);
        Activations.AssertSame([.. a.Select(v => (double)BFloat16.FromSingle(v).ToSingle())], sum.Read());
        int first = random.Next(rows + 1), count = random.Next(rows - first + 1);
        using Tensor copy = kernels.Output(new Shape(count, width));
        kernels.CopyRows(ta, first, copy);
        Activations.AssertSame([.. a[(first * width)..((first + count) * width)].Select(v => (double)v)], copy.Read());
    });
}
