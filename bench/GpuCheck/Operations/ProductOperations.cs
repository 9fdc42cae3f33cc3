using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Kernels.Tests;

namespace Mellum2.Managed.GpuCheck;

/// <summary>Products in every format of weights, with few rows and many, of one matrix and of experts.</summary>
internal static class ProductOperations
{
    private const int Slots = 2;

    /// <summary>The formats of weights, with every kind of scale that they can have.</summary>
    public static IReadOnlyList<(DType Format, ScaleKind? Scale)> Formats { get; } =
    [
        (DType.F32, null), (DType.BF16, null), (DType.F16, null), (DType.F8E4M3, null),
        (DType.F8E4M3, ScaleKind.Tensor), (DType.F8E4M3, ScaleKind.Row), (DType.F8E4M3, ScaleKind.Block),
    ];

    /// <summary>How far a product of that many columns may be off, as a share of Σ|x·W|: what the contract of MatMul says.</summary>
    public static double Share(MatrixUnits units, int columns) => units == MatrixUnits.None
        ? (columns + 8) * Math.ScaleB(1, -24)
        : Math.ScaleB(1, -17) + (8 + columns / 64) * Math.ScaleB(1, -23);

    public static IEnumerable<Check> All() =>
    [
        .. All("MatMul", Products), .. All("GroupedMatMul", Grouped),
    ];

    private static IEnumerable<Check> All(string name, Func<CheckedDevice, MatrixUnits, IEnumerable<OperationCase>> cases)
    {
        const string Split = "2⁻¹⁷ of Σ|x·W|";
        Check onTensorCores = OperationChecks.Of($"{name}, tensor cores", Split, device => cases(device, MatrixUnits.Automatic));
        yield return OperationChecks.Of($"{name}, float32 arithmetic", "K·2⁻²⁴ of Σ|x·W|", device => cases(device, MatrixUnits.None));
        yield return onTensorCores with
        {
            Run = device => device.HasTensorCores ? onTensorCores.Run(device) : Outcome.Skipped("the device has none that these kernels use"),
        };
        yield return OperationChecks.Of($"{name}, simulated tensor cores", Split, device => cases(device, MatrixUnits.Simulated));
    }

    /// <summary>Those formats, on the emulator one kind of scales of FP8.</summary>
    public static IEnumerable<(DType Format, ScaleKind? Scale)> FormatsFor(CheckedDevice device) =>
        Formats.Where(one => !device.IsEmulated || one.Format != DType.F8E4M3 || one.Scale == ScaleKind.Block);

    // The kernels for tensor cores multiply by two of them.
    private static IEnumerable<(DType Format, ScaleKind? Scale)> FormatsFor(CheckedDevice device, MatrixUnits units) =>
        FormatsFor(device).Where(one => units == MatrixUnits.None || one.Format is DType.BF16 or DType.F8E4M3);

    // PoCL makes wrong code of the simulated kernel for few rows in some of its compilations; it is right on the emulator.
    private static bool Takes(CheckedDevice device, MatrixUnits units, int rows) =>
        rows > 16 || units != MatrixUnits.Simulated || device.Description.Kind != GpuKind.OpenClCpu;

    private static IEnumerable<OperationCase> Products(CheckedDevice device, MatrixUnits units)
    {
        // Both sides of a block of columns, of a tile, and of the most rows that the kernel for few rows takes.
        (int Rows, int Outputs, int Columns)[] shapes = device.Sizes(
            [(1, 5, 3), (17, 3, 70)],
            [(1, 5, 3), (3, 7, 130), (8, 300, 2304), (9, 67, 33), (16, 17, 1000), (17, 67, 33), (200, 130, 1000), (130, 64, 320)]);
        foreach ((DType format, ScaleKind? scale) in FormatsFor(device, units))
        {
            foreach ((int rows, int outputs, int columns) in shapes.Where(shape => Takes(device, units, shape.Rows)))
            {
                Random random = new(columns);
                // Two matrices on top of each other, as gate and up are.
                using WeightMatrix first = WeightFactory.Create(random, format, scale, outputs, columns);
                using WeightMatrix second = WeightFactory.Create(random, format, scale, 2, columns);
                float[] x = random.Random((long)rows * columns);
                yield return new(
                    $"{rows} × {columns} by {outputs + 2}, {format.Name()} {scale}", new(Share(units, columns), 1e-30, Magnitudes([first, second], x, columns)),
                    kernels =>
                    {
                        using WeightMatrix w = kernels.Prepare([first, second]);
                        using Tensor input = kernels.Input(new Shape(rows, columns), x), y = kernels.Output(new Shape(rows, w.Rows));
                        kernels.MatMul(input, w, y);
                        return y.Read();
                    })
                { Units = units };
            }
        }
    }

    private static IEnumerable<OperationCase> Grouped(CheckedDevice device, MatrixUnits units)
    {
        const int Outputs = 5, Columns = 150;
        int[][] loads = device.Sizes<int[]>([[9, 0, 1]], [[0, 0, 0], [1, 0, 2], [9, 0, 1], [0, 70, 3], [300, 64, 65]]);
        foreach ((DType format, ScaleKind? scale) in FormatsFor(device, units))
        {
            Random random = new(5);
            WeightMatrix[] plain = [.. Enumerable.Range(0, 3).Select(e => WeightFactory.Create(random, format, scale, Outputs, Columns, 0.02f + 60 * e))];
            foreach (int[] load in loads.Where(load => Takes(device, units, load.Sum() / load.Length)))
            {
                int pairs = load.Sum(), tokens = (pairs + Slots - 1) / Slots;
                int[] order = [.. Enumerable.Range(0, pairs)], offsets = [0, load[0], load[0] + load[1], pairs];
                random.Shuffle(order);
                float[] x = random.Random((long)tokens * Columns);
                yield return new(
                    $"experts with {string.Join(", ", load)} rows, {format.Name()} {scale}",
                    new(Share(units, Columns), 1e-30, [.. Enumerable.Range(0, 3).SelectMany(e => Magnitudes([plain[e]], Rows(x, order[offsets[e]..offsets[e + 1]], Columns), Columns))]),
                    kernels =>
                    {
                        WeightMatrix[] experts = [.. plain.Select(w => kernels.Prepare([w]))];
                        kernels.Gather(experts);
                        using Tensor input = kernels.Input(new Shape(tokens, Columns), x), y = kernels.Output(new Shape(pairs, Outputs));
                        using Tensor bounds = kernels.Integers(new Shape(4), offsets), map = kernels.Integers(new Shape(pairs), order);
                        kernels.GroupedMatMul(input, map, Slots, bounds, experts, y);
                        double[] result = y.Read();
                        foreach (WeightMatrix expert in experts)
                            expert.Dispose();
                        return result;
                    })
                { Units = units };
            }
            foreach (WeightMatrix w in plain)
                w.Dispose();
        }
    }

    private static float[] Rows(float[] x, int[] pairs, int columns) =>
        [.. pairs.SelectMany(pair => x[(pair / Slots * columns)..((pair / Slots + 1) * columns)])];

    /// <summary>Σ |x·W| of every element of the product with matrices on top of each other.</summary>
    public static double[] Magnitudes(WeightMatrix[] parts, float[] x, int columns)
    {
        float[][] weights = [.. from part in parts from n in Enumerable.Range(0, part.Rows) select Row(part, n)];
        double[] result = new double[x.Length / columns * weights.Length];
        for (int i = 0; i < result.Length; i++)
        {
            ReadOnlySpan<float> a = x.AsSpan(i / weights.Length * columns, columns), w = weights[i % weights.Length];
            double sum = 0;
            for (int k = 0; k < columns; k++)
                sum += Math.Abs((double)a[k] * w[k]);
            result[i] = sum;
        }
        return result;
    }

    private static float[] Row(WeightMatrix w, int n) => [.. Enumerable.Range(0, w.Columns).Select(k => w.At(n, k))];
}
