namespace Mellum2.Managed.Gpu.Tests;

/// <summary>The kernels for FP8 units on the machine's devices: their instruction is simulated where there are none.</summary>
public sealed class Float8MmaTests
{
    public static IEnumerable<object?[]> Scales() =>
        from device in TestDevices.Names
        from scale in (ScaleKind?[])[null, ScaleKind.Row, ScaleKind.Block]
        where scale == ScaleKind.Block || !TestDevices.IsEmulator((string)device[0])
        select new object?[] { device[0], scale };

    // Products of codes are exact. Simulated, a block's sum is a chain of 128 additions of half a unit each; on tensor cores it is four
    // steps that keep 13 bits. Then a product by its factor and an addition for each block, and the product by the row's factor.
    private static double Relative(string device, int columns) =>
        (TestDevices.HasTensorCores(device) ? 4 * Math.ScaleB(1, -13) : 128 * Math.ScaleB(1, -24)) + (columns / 128 + 4) * Math.ScaleB(1, -24);

    [Theory]
    [MemberData(nameof(Scales))]
    public void Products_agree_with_the_definition(string device, ScaleKind? scale)
    {
        // Few rows and many; sizes on both sides of a tile, of a block of columns and of a round of eight blocks.
        (int Rows, int Outputs, int Columns)[] shapes = TestDevices.IsEmulator(device)
            ? [(1, 5, 3), (16, 17, 260), (3, 2, 1100), (17, 3, 33), (66, 130, 150)]
            : [(1, 5, 3), (2, 300, 2304), (16, 17, 1000), (9, 70, 576), (17, 67, 33), (200, 130, 1000), (130, 64, 320), (64, 192, 2304)];
        Random random = new(7);
        foreach ((int rows, int outputs, int columns) in shapes)
        {
            WeightMatrix[] parts =
            [
                WeightFactory.Create(random, DType.F8E4M3, scale, outputs, columns), WeightFactory.Create(random, DType.F8E4M3, scale, 2, columns),
            ];
            float[] x = random.Random((long)rows * columns);
            Float8Case.AssertProducts(
                Float8Case.Multiply(TestDevices.Reference, parts, x, rows, columns), Float8Case.Multiply(TestDevices.TensorCores(device), parts, x, rows, columns),
                Float8Case.Magnitudes(parts, x, rows, columns), Relative(device, columns));
            foreach (WeightMatrix part in parts)
                part.Dispose();
        }
    }

    [Theory]
    [MemberData(nameof(Scales))]
    public void A_row_has_the_same_bits_in_every_batch(string device, ScaleKind? scale) =>
        TensorCoreCases.RowsKeepTheirBits(device, DType.F8E4M3, scale, outputs: 11, Float8Case.Multiply);

    [Theory]
    [MemberData(nameof(Scales))]
    public void Rows_of_experts_have_the_bits_of_their_products(string device, ScaleKind? scale)
    {
        GpuKernels kernels = TestDevices.TensorCores(device);
        using PooledWorkspace workspace = new(kernels.Device.Allocate);
        TensorCoreCases.ExpertsKeepTheirBits(
            device, DType.F8E4M3, scale, outputs: 11, Float8Case.Multiply,
            (x, order, slots, offsets, experts, y) => kernels.GroupedFloat8MatMul(x, order, slots, offsets, experts, y, workspace));
    }

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void Projections_share_their_rows_and_a_NaN_stays_in_its_own(string device)
    {
        const int Rows = 3, Columns = 40;
        GpuKernels kernels = TestDevices.TensorCores(device);
        float[] x = new Random(1).Random(Rows * Columns);
        x[Columns + 7] = float.NaN;
        x[2 * Columns + 5] = float.NegativeInfinity;
        WeightMatrix[] parts = [.. Enumerable.Range(0, 3).Select(i => WeightFactory.Create(new Random(i), DType.F8E4M3, ScaleKind.Block, 4 + i, Columns))];
        WeightMatrix[] prepared = [.. parts.Select(part => kernels.Prepare([part]))];
        using PooledWorkspace workspace = new(kernels.Device.Allocate);
        using Tensor input = kernels.Input(new Shape(Rows, Columns), x);
        Tensor[] outputs = [.. parts.Select(part => kernels.Output(new Shape(Rows, part.Rows)))];
        kernels.Float8Project(input, prepared[0], prepared[1], prepared[2], outputs[0], outputs[1], outputs[2], workspace);
        for (int i = 0; i < 3; i++)
        {
            double[] want = Float8Case.Multiply(kernels, [parts[i]], x, Rows, Columns), got = outputs[i].Read();
            Activations.AssertSame(want, got);
            int width = parts[i].Rows;
            Assert.All(got[..width].Concat(got[(2 * width)..]), value => Assert.True(double.IsFinite(value)));
            Assert.All(got[width..(2 * width)], value => Assert.True(double.IsNaN(value)));
        }
        foreach (IDisposable item in outputs.Cast<IDisposable>().Concat(parts).Concat(prepared))
            item.Dispose();
    }

    [Theory]
    [InlineData(0, MatrixUnits.Automatic, "decoded values")]
    [InlineData(75, MatrixUnits.Automatic, "decoded values")]
    [InlineData(80, MatrixUnits.Automatic, "with BF16 instructions")]
    [InlineData(89, MatrixUnits.Automatic, "with FP8 instructions")]
    [InlineData(90, MatrixUnits.None, "decoded values")]
    [InlineData(0, MatrixUnits.Simulated, "simulated FP8 instructions")]
    public void What_a_device_would_multiply_with_is_known_before_it_is_opened(int capability, MatrixUnits units, string expected)
    {
        GpuDescription device = new(GpuKind.Cuda, 0, "a GPU", 1, "a driver", "", null) { ComputeCapability = capability };
        Assert.Contains(expected, GpuKernels.Float8UnitsOf(device, new GpuKernelOptions { MatrixUnits = units }), StringComparison.Ordinal);
    }
}
