namespace Mellum2.Managed.Gpu.Tests;

/// <summary>What holds for every product on tensor cores, whatever it multiplies.</summary>
internal static class TensorCoreCases
{
    /// <summary>Multiplies <c>rows</c> rows of <c>columns</c> numbers by matrices on top of each other.</summary>
    public delegate double[] Product(IForwardKernels kernels, WeightMatrix[] parts, float[] x, int rows, int columns);

    /// <summary>Multiplies the rows of each expert by its matrix, as <see cref="IForwardKernels.GroupedMatMul"/> does.</summary>
    public delegate void ExpertProduct(Tensor x, Tensor order, int slots, Tensor offsets, WeightMatrix[] experts, Tensor y);

    /// <summary>A row has the same bits alone, in kernels for few rows and in those for many.</summary>
    public static void RowsKeepTheirBits(string device, DType format, ScaleKind? scale, int outputs, Product multiply)
    {
        GpuKernels kernels = TestDevices.TensorCores(device);
        Random random = new(3);
        int rows = TestDevices.IsEmulator(device) ? 20 : 150, columns = TestDevices.IsEmulator(device) ? 150 : 1111;
        WeightMatrix[] parts = [WeightFactory.Create(random, format, scale, outputs, columns)];
        float[] x = random.Random((long)rows * columns);
        double[] all = multiply(kernels, parts, x, rows, columns);
        foreach ((int first, int size) in new[] { (0, 1), (19, 1), (1, 3), (4, 16), (2, 17), (0, 19) })
        {
            double[] part = multiply(kernels, parts, x[(first * columns)..((first + size) * columns)], size, columns);
            Activations.AssertSame(all[(first * outputs)..((first + size) * outputs)], part);
        }
        parts[0].Dispose();
    }

    /// <summary>Rows that experts share out have the bits of a product by each expert's own matrix, however many each has.</summary>
    public static void ExpertsKeepTheirBits(
        string device, DType format, ScaleKind? scale, int outputs, Product multiply, ExpertProduct multiplyExperts)
    {
        const int Slots = 2, Columns = 150;
        int[][] loads = TestDevices.IsEmulator(device)
            ? [[0, 0, 0], [1, 0, 2], [17, 0, 1], [0, 70, 3]]
            : [[0, 0, 0], [1, 0, 2], [17, 0, 1], [0, 70, 3], [300, 64, 65]];
        GpuKernels kernels = TestDevices.TensorCores(device);
        Random random = new(5);
        WeightMatrix[] plain = [.. Enumerable.Range(0, 3).Select(e => WeightFactory.Create(random, format, scale, outputs, Columns, 0.02f + 60 * e))];
        WeightMatrix[] experts = [.. plain.Select(w => kernels.Prepare([w]))];
        kernels.Gather(experts);
        foreach (int[] load in loads)
        {
            int pairs = load.Sum(), tokens = (pairs + Slots - 1) / Slots;
            int[] order = [.. Enumerable.Range(0, pairs)];
            random.Shuffle(order);
            int[] offsets = [0, load[0], load[0] + load[1], pairs];
            float[] x = random.Random((long)tokens * Columns);
            using Tensor input = kernels.Input(new Shape(tokens, Columns), x), y = kernels.Output(new Shape(pairs, outputs));
            using Tensor bounds = Activations.Integers(new Shape(4), offsets, kernels.Device);
            using Tensor map = Activations.Integers(new Shape(pairs), order, kernels.Device);
            multiplyExperts(input, map, Slots, bounds, experts, y);
            double[] got = y.Read();
            for (int e = 0; e < 3; e++)
            {
                float[] own = [.. order[offsets[e]..offsets[e + 1]].SelectMany(pair => x[(pair / Slots * Columns)..((pair / Slots + 1) * Columns)])];
                double[] want = load[e] == 0 ? [] : multiply(kernels, [plain[e]], own, load[e], Columns);
                Activations.AssertSame(want, got[(offsets[e] * outputs)..(offsets[e + 1] * outputs)]);
            }
        }
        foreach (WeightMatrix w in plain.Concat(experts))
            w.Dispose();
    }
}
