namespace Mellum2.Managed.Gpu.Tests;

public sealed unsafe class ProductTests
{
    public static IEnumerable<object?[]> Formats() =>
        from device in TestDevices.Names
        from format in WeightFactory.Formats
        select new object?[] { device[0], ((object?[])format)[0], ((object?[])format)[1] };

    private static double[] Multiply(IForwardKernels kernels, WeightMatrix[] parts, float[] x, int rows, int columns)
    {
        using WeightMatrix w = kernels.Prepare(parts);
        using Tensor input = kernels.Input(new Shape(rows, columns), x), y = kernels.Output(new Shape(rows, w.Rows));
        kernels.MatMul(input, w, y);
        return y.Read();
    }

    // A chain of K terms of size w errs by about √K · 2⁻²⁴ of its sum, which is about √K · w; a lost term is w.
    private static void AssertProduct(double[] want, double[] got, int columns, float largest) =>
        Activations.AssertClose(want, got, 0, 2e-7 * largest * (columns + 8));

    private static float Largest(WeightMatrix[] parts)
    {
        float largest = 0;
        foreach (WeightMatrix part in parts)
            for (int r = 0; r < part.Rows; r++)
                for (int c = 0; c < part.Columns; c++)
                    largest = MathF.Max(largest, MathF.Abs(part.At(r, c)));
        return largest;
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Products_of_stacked_matrices_agree_with_the_definition(string device, DType format, ScaleKind? scale)
    {
        // Odd sizes on both sides of a block, of a tile and of a round of lanes; the last ones need the kernel for many rows.
        (int Rows, int Outputs, int Columns)[] shapes = TestDevices.IsEmulator(device)
            ? [(1, 5, 3), (3, 7, 130), (8, 3, 1100), (9, 67, 33), (66, 5, 70)]
            : [(1, 5, 3), (3, 7, 130), (8, 300, 2304), (9, 67, 33), (200, 130, 1000), (512, 896, 320)];
        Random random = new(7);
        foreach ((int rows, int outputs, int columns) in shapes)
        {
            WeightMatrix[] parts =
            [
                WeightFactory.Create(random, format, scale, outputs, columns), WeightFactory.Create(random, format, scale, 2, columns),
            ];
            float[] x = random.Random((long)rows * columns);
            double[] want = Multiply(TestDevices.Reference, parts, x, rows, columns);
            AssertProduct(want, Multiply(TestDevices.Get(device), parts, x, rows, columns), columns, Largest(parts));
            foreach (WeightMatrix part in parts)
                part.Dispose();
        }
    }

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void A_row_has_the_same_bits_in_every_batch(string device)
    {
        GpuKernels kernels = TestDevices.Get(device);
        Random random = new(3);
        int rows = TestDevices.IsEmulator(device) ? 11 : 150, columns = TestDevices.IsEmulator(device) ? 150 : 1111;
        WeightMatrix[] parts = [WeightFactory.Create(random, DType.BF16, null, 6, columns)];
        float[] x = random.Random((long)rows * columns);
        double[] all = Multiply(kernels, parts, x, rows, columns);
        foreach (int size in new[] { 1, 3, 8 })
        {
            for (int first = 0; first + size <= Math.Min(rows, 16); first += size)
            {
                double[] part = Multiply(kernels, parts, x[(first * columns)..((first + size) * columns)], size, columns);
                Activations.AssertSame(all[(first * 6)..((first + size) * 6)], part);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Rows_of_experts_are_their_products(string device, DType format, ScaleKind? scale)
    {
        const int Outputs = 5, Slots = 2;
        int columns = scale == ScaleKind.Block ? 150 : 37;
        int[][] loads = TestDevices.IsEmulator(device)
            ? [[0, 0, 0], [1, 0, 2], [9, 0, 1], [0, 70, 3]]
            : [[0, 0, 0], [1, 0, 2], [9, 0, 1], [0, 70, 3], [300, 64, 65]];
        GpuKernels kernels = TestDevices.Get(device);
        Random random = new(5);
        WeightMatrix[] plain = [.. Enumerable.Range(0, 3).Select(e => WeightFactory.Create(random, format, scale, Outputs, columns, 0.02f + 60 * e))];
        WeightMatrix[] reference = [.. plain.Select(w => TestDevices.Reference.Prepare([w]))];
        WeightMatrix[] experts = [.. plain.Select(w => kernels.Prepare([w]))];
        kernels.Gather(experts);
        foreach (int[] load in loads)
        {
            foreach (bool gather in new[] { true, false })
            {
                int pairs = load.Sum(), tokens = gather ? (pairs + Slots - 1) / Slots : pairs;
                int[] order = [.. Enumerable.Range(0, pairs)];
                random.Shuffle(order);
                float[] x = random.Random((long)tokens * columns);
                AssertProduct(Run(TestDevices.Reference, reference), Run(kernels, experts), columns, Largest(plain));

                double[] Run(IForwardKernels any, WeightMatrix[] matrices)
                {
                    int[] offsets = [0, load[0], load[0] + load[1], pairs];
                    using Tensor input = any.Input(new Shape(tokens, columns), x), y = any.Output(new Shape(pairs, Outputs));
                    using Tensor bounds = Activations.Integers(new Shape(4), offsets, any.Device);
                    using Tensor map = Activations.Integers(new Shape(pairs), order, any.Device);
                    any.GroupedMatMul(input, gather ? map : null, gather ? Slots : 1, bounds, matrices, y);
                    return y.Read();
                }
            }
        }
        foreach (WeightMatrix w in plain.Concat(reference).Concat(experts))
            w.Dispose();
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Embedding_rows_are_exact(string device, DType format, ScaleKind? scale)
    {
        GpuKernels kernels = TestDevices.Get(device);
        using WeightMatrix plain = WeightFactory.Create(new Random(9), format, scale, 11, 133);
        using WeightMatrix table = kernels.PrepareEmbedding(plain);
        int[] ids = [10, 0, 3, 3];
        using Tensor tokens = Activations.Integers(new Shape(4), ids, kernels.Device), y = kernels.Output(new Shape(4, 133));
        kernels.Embed(tokens, table, y);
        Activations.AssertSame([.. ids.SelectMany(id => Enumerable.Range(0, 133).Select(c => (double)plain.At(id, c)))], y.Read());
    }

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void An_id_outside_of_the_table_gives_NaN_and_touches_nothing_else(string device)
    {
        GpuKernels kernels = TestDevices.Get(device);
        using WeightMatrix plain = WeightFactory.Create(new Random(9), DType.F32, null, 4, 5);
        using WeightMatrix table = kernels.PrepareEmbedding(plain);
        using Tensor tokens = Activations.Integers(new Shape(3), [-1, 2, 4], kernels.Device), y = kernels.Output(new Shape(3, 5));
        kernels.Embed(tokens, table, y);
        double[] rows = y.Read();
        Assert.All(rows[..5].Concat(rows[10..]), value => Assert.True(double.IsNaN(value)));
        Assert.Equal(plain.At(2, 1), rows[6]);
    }

    [Fact]
    public void Weights_that_no_kernel_decodes_are_refused()
    {
        GpuKernels kernels = TestDevices.Get("emulator:0");
        using WeightMatrix half = WeightMatrix.RowMajor("w", Tensor.From<ushort>(DType.F16, new Shape(1, 2), [0x3C00, 0x7C00]));
        Assert.Contains("row 0, column 1", Assert.Throws<InvalidInputException>(() => kernels.Prepare([half])).Message, StringComparison.Ordinal);
        using WeightMatrix other = WeightMatrix.RowMajor("u", Tensor.Allocate(DType.F8E5M2, new Shape(1, 2)));
        Assert.Contains("F8_E5M2", Assert.Throws<InvalidInputException>(() => kernels.Prepare([other])).Message, StringComparison.Ordinal);
    }
}
