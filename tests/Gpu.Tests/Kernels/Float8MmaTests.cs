namespace Mellum2.Managed.Gpu.Tests;

/// <summary>The kernels for FP8 units on the machine's devices: their instruction is simulated where there are none.</summary>
public sealed class Float8MmaTests
{
    private static readonly Dictionary<string, GpuKernels> s_kernels = [];

    public static IEnumerable<object?[]> Scales() =>
        from device in TestDevices.Names
        from scale in (ScaleKind?[])[null, ScaleKind.Row, ScaleKind.Block]
        where scale == ScaleKind.Block || !TestDevices.IsEmulator((string)device[0])
        select new object?[] { device[0], scale };

    internal static GpuKernels Get(string device)
    {
        if (!s_kernels.TryGetValue(device, out GpuKernels? kernels))
        {
            GpuDevice open = (GpuDevice)TestDevices.Get(device).Device;
            s_kernels.Add(device, kernels = new GpuKernels(
                open, new GpuKernelOptions { MatrixUnits = HasTensorCores(device) ? MatrixUnits.Automatic : MatrixUnits.Simulated }));
        }
        return kernels;
    }

    private static bool HasTensorCores(string device) => ((GpuDevice)TestDevices.Get(device).Device).Description.ComputeCapability >= 80;

    // Products of codes are exact. Simulated, a block's sum is a chain of 128 additions of half a unit each; on tensor cores it is four
    // steps that keep 13 bits. Then a product by its factor and an addition for each block, and the product by the row's factor.
    private static double Relative(string device, int columns) =>
        (HasTensorCores(device) ? 4 * Math.ScaleB(1, -13) : 128 * Math.ScaleB(1, -24)) + (columns / 128 + 4) * Math.ScaleB(1, -24);

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
                Float8Case.Multiply(TestDevices.Reference, parts, x, rows, columns), Float8Case.Multiply(Get(device), parts, x, rows, columns),
                Float8Case.Magnitudes(parts, x, rows, columns), Relative(device, columns));
            foreach (WeightMatrix part in parts)
                part.Dispose();
        }
    }

    [Theory]
    [MemberData(nameof(Scales))]
    public void A_row_has_the_same_bits_in_every_batch(string device, ScaleKind? scale)
    {
        GpuKernels kernels = Get(device);
        Random random = new(3);
        int rows = TestDevices.IsEmulator(device) ? 20 : 150, columns = TestDevices.IsEmulator(device) ? 150 : 1111, outputs = 6;
        WeightMatrix[] parts = [WeightFactory.Create(random, DType.F8E4M3, scale, outputs, columns)];
        float[] x = random.Random((long)rows * columns);
        double[] all = Float8Case.Multiply(kernels, parts, x, rows, columns);
        foreach ((int first, int size) in new[] { (0, 1), (19, 1), (1, 3), (4, 16), (2, 17), (0, 19) })
        {
            double[] part = Float8Case.Multiply(kernels, parts, x[(first * columns)..((first + size) * columns)], size, columns);
            Activations.AssertSame(all[(first * outputs)..((first + size) * outputs)], part);
        }
        parts[0].Dispose();
    }

    [Theory]
    [MemberData(nameof(Scales))]
    public void Rows_of_experts_have_the_bits_of_their_products(string device, ScaleKind? scale)
    {
        const int Outputs = 5, Slots = 2, Columns = 150;
        int[][] loads = TestDevices.IsEmulator(device)
            ? [[0, 0, 0], [1, 0, 2], [17, 0, 1], [0, 70, 3]]
            : [[0, 0, 0], [1, 0, 2], [17, 0, 1], [0, 70, 3], [300, 64, 65]];
        GpuKernels kernels = Get(device);
        using PooledWorkspace workspace = new(kernels.Device.Allocate);
        Random random = new(5);
        WeightMatrix[] plain =
            [.. Enumerable.Range(0, 3).Select(e => WeightFactory.Create(random, DType.F8E4M3, scale, Outputs, Columns, 0.02f + 60 * e))];
        WeightMatrix[] experts = [.. plain.Select(w => kernels.Prepare([w]))];
        kernels.Gather(experts);
        foreach (int[] load in loads)
        {
            int pairs = load.Sum(), tokens = (pairs + Slots - 1) / Slots;
            int[] order = [.. Enumerable.Range(0, pairs)];
            random.Shuffle(order);
            int[] offsets = [0, load[0], load[0] + load[1], pairs];
            float[] x = random.Random((long)tokens * Columns);
            using Tensor input = kernels.Input(new Shape(tokens, Columns), x), y = kernels.Output(new Shape(pairs, Outputs));
            using Tensor bounds = Activations.Integers(new Shape(4), offsets, kernels.Device);
            using Tensor map = Activations.Integers(new Shape(pairs), order, kernels.Device);
            kernels.GroupedFloat8MatMul(input, map, Slots, bounds, experts, y, workspace);
            double[] got = y.Read();
            for (int e = 0; e < 3; e++)
            {
                float[] own = [.. order[offsets[e]..offsets[e + 1]].SelectMany(pair => x[(pair / Slots * Columns)..((pair / Slots + 1) * Columns)])];
                double[] want = load[e] == 0 ? [] : Float8Case.Multiply(kernels, [plain[e]], own, load[e], Columns);
                Activations.AssertSame(want, got[(offsets[e] * Outputs)..(offsets[e + 1] * Outputs)]);
            }
        }
        foreach (WeightMatrix w in plain.Concat(experts))
            w.Dispose();
    }

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void Projections_share_their_rows_and_a_NaN_stays_in_its_own(string device)
    {
        const int Rows = 3, Columns = 40;
        GpuKernels kernels = Get(device);
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
