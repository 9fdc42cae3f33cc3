using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Kernels.Tests;

namespace Mellum2.Managed.GpuCheck;

/// <summary>Products with both operands in eight bits.</summary>
internal static class Float8Operations
{
    private const string Products = "Float8MatMul, GroupedFloat8MatMul";

    private static readonly ScaleKind?[] s_scales = [null, ScaleKind.Row, ScaleKind.Block];

    public static IEnumerable<Check> All()
    {
        Check onTensorCores = OperationChecks.Of($"{Products}, tensor cores", "2⁻¹¹ of Σ|q·W|", device => ProductCases(device, MatrixUnits.Automatic));
        Check simulated = OperationChecks.Of($"{Products}, simulated tensor cores", "128·2⁻²⁴ of Σ|q·W|", device => ProductCases(device, MatrixUnits.Simulated));
        yield return OperationChecks.Of("RoundRowsToFloat8, MultiplyRows", "exact; on OpenCL GPUs a step of E4M3", Rounding);
        yield return OperationChecks.Of($"{Products}, float32 arithmetic", "K·2⁻²⁴ of Σ|q·W|", device => ProductCases(device, MatrixUnits.None));
        yield return onTensorCores with
        {
            Run = device => device.HasTensorCores ? onTensorCores.Run(device) : Outcome.Skipped("the device has none that these kernels use"),
        };
        // Another result after every compilation of one text, and always the right one on the emulator.
        yield return simulated with
        {
            Run = device => device.Description.Kind != GpuKind.OpenClCpu ? simulated.Run(device)
                : Outcome.Skipped("OpenCL on a processor (PoCL) makes wrong code of the simulation in some compilations"),
        };
    }

    // What the contract of Float8MatMul says of the sums: a block is a chain, or four steps of an FP8 instruction that keep 13 bits.
    private static double Share(MatrixUnits units, int columns) => (units switch
    {
        MatrixUnits.None => columns * Math.ScaleB(1, -24),
        MatrixUnits.Automatic => 4 * Math.ScaleB(1, -13),
        _ => 128 * Math.ScaleB(1, -24),
    }) + (columns / 64 + 8) * Math.ScaleB(1, -24);

    private static IEnumerable<OperationCase> Rounding(CheckedDevice device)
    {
        // A division of OpenCL may be off by some units in the last place, and then a number on an edge rounds the other way.
        Bound bound = device.Description.Kind == GpuKind.OpenCl ? new(Math.ScaleB(1, -3), Math.ScaleB(1, -9)) : Bound.Exact;
        foreach ((int rows, int columns) in device.Sizes([(2, 70)], [(1, 1), (2, 70), (33, 2304)]))
        {
            float[] x = new Random(columns).Random((long)rows * columns, extremes: true);
            yield return new($"{rows} × {columns}", bound, kernels =>
            {
                using Tensor input = kernels.Input(new Shape(rows, columns), x), y = kernels.Output(input.Shape);
                using Tensor inverses = kernels.Singles(new Shape(rows), new float[rows]);
                ((IFloat8Kernels)kernels).RoundRowsToFloat8(input, y, inverses);
                double[] codes = y.Read();
                ((IFloat8Kernels)kernels).MultiplyRows(y, null, 1, inverses);
                return [.. codes, .. y.Read()];
            });
        }
    }

    private static IEnumerable<OperationCase> ProductCases(CheckedDevice device, MatrixUnits units)
    {
        (int Rows, int Outputs, int Columns)[] shapes = device.Sizes(
            [(3, 5, 150)], [(1, 5, 3), (2, 300, 2304), (16, 17, 1000), (17, 67, 33), (200, 130, 1000)]);
        foreach (ScaleKind? scale in device.IsEmulated ? [ScaleKind.Block] : s_scales)
        {
            foreach ((int rows, int outputs, int columns) in shapes)
            {
                Random random = new(columns);
                using WeightMatrix plain = WeightFactory.Create(random, DType.F8E4M3, scale, outputs, columns);
                float[] x = random.Random((long)rows * columns);
                Bound bound = new(Share(units, columns), 1e-37, ProductOperations.Magnitudes([plain], Rounded(device.Reference, x, rows), columns));
                yield return new($"{rows} × {columns} by {outputs}, {scale}", bound, kernels =>
                {
                    using PooledWorkspace workspace = new(kernels.Device.Allocate);
                    using WeightMatrix w = kernels.Prepare([plain]);
                    using Tensor input = kernels.Input(new Shape(rows, columns), x), y = kernels.Output(new Shape(rows, outputs));
                    ((IFloat8Kernels)kernels).Float8MatMul(input, w, y, workspace);
                    return y.Read();
                })
                { Units = units, Same = kernels => OfOneExpert(kernels, plain, x, rows) };
            }
        }
    }

    // The same product as that of the second of three experts, which has all rows.
    private static double[] OfOneExpert(IForwardKernels kernels, WeightMatrix plain, float[] x, int rows)
    {
        using PooledWorkspace workspace = new(kernels.Device.Allocate);
        WeightMatrix[] experts = [.. Enumerable.Range(0, 3).Select(_ => kernels.Prepare([plain]))];
        kernels.Gather(experts);
        using Tensor input = kernels.Input(new Shape(rows, plain.Columns), x), y = kernels.Output(new Shape(rows, plain.Rows));
        using Tensor offsets = kernels.Integers(new Shape(4), [0, 0, rows, rows]);
        ((IFloat8Kernels)kernels).GroupedFloat8MatMul(input, null, 1, offsets, experts, y, workspace);
        double[] result = y.Read();
        foreach (WeightMatrix expert in experts)
            expert.Dispose();
        return result;
    }

    // The numbers that the rounded rows stand for.
    private static float[] Rounded(ReferenceKernels kernels, float[] x, int rows)
    {
        using Tensor input = kernels.Input(new Shape(rows, x.Length / rows), x), y = kernels.Output(input.Shape);
        using Tensor inverses = kernels.Singles(new Shape(rows), new float[rows]);
        kernels.RoundRowsToFloat8(input, y, inverses);
        kernels.MultiplyRows(y, null, 1, inverses);
        return [.. y.Read().Select(value => (float)value)];
    }
}
