using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Kernels.Tests;

namespace Mellum2.Managed.GpuCheck;

/// <summary>Rows that are rounded to E4M3, and their products with FP8 weights, with whatever instructions the device has.</summary>
internal static class Float8Operations
{
    public static IEnumerable<Check> All()
    {
        yield return OperationChecks.Of("RoundRowsToFloat8", "the same bits", Rounding);
        yield return OperationChecks.Of("Float8MatMul, decoded values", "K·2⁻²⁴ of Σ|q·W|", device => Products(device, MatrixUnits.None));
        yield return OperationChecks.Of(
            "Float8MatMul, FP8 or BF16 instructions", "2⁻¹¹ of Σ|q·W|",
            device => Products(device, device.HasTensorCores ? MatrixUnits.Automatic : MatrixUnits.Simulated));
    }

    private static IEnumerable<OperationCase> Rounding(CheckedDevice device)
    {
        foreach ((int rows, int columns) in device.Sizes([(3, 70)], [(1, 1), (7, 300), (64, 2304)]))
        {
            float[] x = new Random(columns).Random((long)rows * columns, extremes: true);
            yield return new($"{rows} × {columns}", Bound.Exact, kernels => Rounded(kernels, x, rows, columns));
        }
    }

    private static IEnumerable<OperationCase> Products(CheckedDevice device, MatrixUnits units)
    {
        (int Rows, int Outputs, int Columns)[] shapes = device.Sizes(
            [(3, 5, 150), (17, 3, 70)], [(1, 5, 3), (2, 300, 2304), (16, 17, 1000), (17, 67, 33), (200, 130, 1000), (64, 192, 2304)]);
        foreach (ScaleKind scale in (ScaleKind[])[ScaleKind.Row, ScaleKind.Block])
        {
            foreach ((int rows, int outputs, int columns) in shapes)
            {
                Random random = new(columns);
                using WeightMatrix weights = WeightFactory.Create(random, DType.F8E4M3, scale, outputs, columns);
                float[] x = random.Random((long)rows * columns);
                // Rounded values and inverses, in this order.
                double[] rounded = Rounded(device.Reference, x, rows, columns);
                float[] values = [.. rounded.Select((value, i) => (float)(value * rounded[rows * columns + i / columns % rows])).Take(rows * columns)];
                double share = units == MatrixUnits.None ? (columns + 4) * Math.ScaleB(1, -24) : Math.ScaleB(1, -11) + (columns / 128 + 4) * Math.ScaleB(1, -24);
                yield return new(
                    $"{rows} × {columns} by {outputs}, {scale}", new(share, 1e-30, ProductOperations.Magnitudes([weights], values, columns)),
                    kernels =>
                    {
                        using PooledWorkspace workspace = new(kernels.Device.Allocate);
                        using WeightMatrix w = kernels.Prepare([weights]);
                        using Tensor input = kernels.Input(new Shape(rows, columns), x), y = kernels.Output(new Shape(rows, w.Rows));
                        ((IFloat8Kernels)kernels).Float8MatMul(input, w, y, workspace);
                        return y.Read();
                    })
                { Units = units };
            }
        }
    }

    private static double[] Rounded(IForwardKernels kernels, float[] x, int rows, int columns)
    {
        using Tensor input = kernels.Input(new Shape(rows, columns), x), y = kernels.Output(new Shape(rows, columns));
        using Tensor inverses = kernels.Singles(new Shape(rows), new float[rows]);
        ((IFloat8Kernels)kernels).RoundRowsToFloat8(input, y, inverses);
        return [.. y.Read(), .. inverses.Read()];
    }
}
