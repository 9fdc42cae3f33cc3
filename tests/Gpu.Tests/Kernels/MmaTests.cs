namespace Mellum2.Managed.Gpu.Tests;

/// <summary>The kernels for tensor cores on the machine's devices: their instructions are simulated where there are none.</summary>
public sealed class MmaTests
{
    public static IEnumerable<object?[]> Formats() => ProductTests.Formats().Where(row => (DType)row[1]! is DType.BF16 or DType.F8E4M3);

    // Each activation loses up to 2⁻¹⁷ of itself; the sums are float32, truncated or rounded, in chains of 64 columns.
    private static void AssertProducts(double[] want, double[] got, double[] magnitudes, int columns)
    {
        Assert.Equal(want.Length, got.Length);
        for (int i = 0; i < want.Length; i++)
        {
            double tolerance = magnitudes[i] * (Math.ScaleB(1, -17) + (8 + columns / 64) * Math.ScaleB(1, -23)) + 1e-30;
            Assert.True(Math.Abs(want[i] - got[i]) <= tolerance, $"element {i}: {got[i]:R}, not {want[i]:R} ± {tolerance:R}");
        }
    }

    private static double[] Multiply(IForwardKernels kernels, WeightMatrix[] parts, float[] x, int rows, int columns)
    {
        using WeightMatrix w = kernels.Prepare(parts);
        using Tensor input = kernels.Input(new Shape(rows, columns), x), y = kernels.Output(new Shape(rows, w.Rows));
        kernels.MatMul(input, w, y);
        return y.Read();
    }

    /// <summary>Σ |x| |W| of every element.</summary>
    private static double[] Magnitudes(WeightMatrix[] parts, float[] x, int rows, int columns) =>
    [
        .. from row in Enumerable.Range(0, rows)
           from part in parts
           from output in Enumerable.Range(0, part.Rows)
           select Enumerable.Range(0, columns).Sum(k => Math.Abs((double)x[row * columns + k] * part.At(output, k))),
    ];

    [Theory]
    [MemberData(nameof(Formats))]
    public void Products_agree_with_the_definition(string device, DType format, ScaleKind? scale)
    {
        // Few rows and many; sizes on both sides of a tile, of a block of columns and of a round of eight blocks.
        (int Rows, int Outputs, int Columns)[] shapes = TestDevices.IsEmulator(device)
            ? [(1, 5, 3), (16, 17, 130), (3, 2, 530), (17, 3, 33), (66, 67, 70)]
            : [(1, 5, 3), (2, 300, 2304), (16, 17, 1000), (9, 70, 576), (17, 67, 33), (200, 130, 1000), (130, 64, 320), (64, 192, 2304)];
        Random random = new(7);
        foreach ((int rows, int outputs, int columns) in shapes)
        {
            WeightMatrix[] parts =
            [
                WeightFactory.Create(random, format, scale, outputs, columns), WeightFactory.Create(random, format, scale, 2, columns),
            ];
            float[] x = random.Random((long)rows * columns);
            double[] want = Multiply(TestDevices.Reference, parts, x, rows, columns);
            AssertProducts(want, Multiply(TestDevices.TensorCores(device), parts, x, rows, columns), Magnitudes(parts, x, rows, columns), columns);
            foreach (WeightMatrix part in parts)
                part.Dispose();
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void A_row_has_the_same_bits_in_every_batch(string device, DType format, ScaleKind? scale) =>
        TensorCoreCases.RowsKeepTheirBits(device, format, scale, outputs: 11, Multiply);

    [Theory]
    [MemberData(nameof(Formats))]
    public void Rows_of_experts_have_the_bits_of_their_products(string device, DType format, ScaleKind? scale) =>
        TensorCoreCases.ExpertsKeepTheirBits(device, format, scale, outputs: 11, Multiply, TestDevices.TensorCores(device).GroupedMatMul);

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void Infinities_and_NaN_stay_in_their_rows(string device)
    {
        const int Columns = 20;
        float[] x = new Random(1).Random(3 * Columns);
        x[4] = float.PositiveInfinity;
        x[2 * Columns + 7] = float.NaN;
        WeightMatrix[] parts = [WeightFactory.Create(new Random(2), DType.BF16, null, 3, Columns)];
        double[] got = Multiply(TestDevices.TensorCores(device), parts, x, 3, Columns);
        for (int output = 0; output < 3; output++)
        {
            Assert.Equal(parts[0].At(output, 4) > 0 ? double.PositiveInfinity : double.NegativeInfinity, got[output]);
            Assert.True(double.IsFinite(got[3 + output]));
            Assert.True(double.IsNaN(got[6 + output]));
        }
    }

    [Fact]
    public void Tensor_cores_are_named_where_they_are_used()
    {
        Assert.Contains("without tensor cores", TestDevices.Get("emulator:0").Description, StringComparison.Ordinal);
        Assert.Contains("simulated tensor cores", TestDevices.TensorCores("emulator:0").Description, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, MatrixUnits.Automatic, "without tensor cores")]
    [InlineData(75, MatrixUnits.Automatic, "without tensor cores")]
    [InlineData(80, MatrixUnits.Automatic, "on tensor cores")]
    [InlineData(90, MatrixUnits.None, "without tensor cores")]
    public void What_a_device_would_multiply_with_is_known_before_it_is_opened(int capability, MatrixUnits units, string expected)
    {
        GpuDescription device = new(GpuKind.Cuda, 0, "a GPU", 1, "a driver", "", null) { ComputeCapability = capability };
        Assert.Contains(expected, GpuKernels.UnitsOf(device, new GpuKernelOptions { MatrixUnits = units }), StringComparison.Ordinal);
    }
}
