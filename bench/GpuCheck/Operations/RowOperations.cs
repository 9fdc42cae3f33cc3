using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Kernels.Tests;

namespace Mellum2.Managed.GpuCheck;

/// <summary>The operations that take a row at a time.</summary>
internal static class RowOperations
{
    private const double Float32 = 1.0 / (1 << 20);

    public static IEnumerable<Check> All() =>
    [
        OperationChecks.Of("RmsNorm", "2⁻²⁰ of the result", Norms),
        OperationChecks.Of("RopeTable, Rope", "1.2·10⁻⁷, 3·10⁻⁶", Rotations),
        OperationChecks.Of("SwiGlu", "2⁻²⁰ of the result", SwiGlus),
        OperationChecks.Of("LogSumExp", "2⁻²⁰ of the result and 2⁻²⁰", LogSumExps),
        OperationChecks.Of("Add, Concatenate, CopyRows, RoundToBFloat16", "exact", Exact),
        OperationChecks.Of("Embed", "exact", Embeddings),
    ];

    private static IEnumerable<OperationCase> Norms(CheckedDevice device)
    {
        foreach ((int rows, int groups, int width) in device.Sizes([(1, 1, 1), (3, 2, 70)], [(1, 1, 1), (3, 2, 70), (5, 32, 128), (33, 1, 2304)]))
        {
            Random random = new(width);
            float[] x = random.Random((long)rows * groups * width, extremes: true), weight = random.Random(width);
            yield return new($"{rows} × {groups} groups of {width}", new(Float32, 1e-37), kernels =>
            {
                using Tensor input = kernels.Input(new Shape(rows, groups * width), x), w = kernels.Singles(new Shape(width), weight);
                using Tensor y = kernels.Output(input.Shape);
                kernels.RmsNorm(input, w, 1e-6f, y);
                return y.Read();
            });
        }
    }

    private static IEnumerable<OperationCase> Rotations(CheckedDevice device)
    {
        foreach ((int rows, int heads, int dimension) in device.Sizes([(2, 2, 6)], [(2, 2, 6), (1, 32, 128), (64, 4, 128)]))
        {
            Random random = new(dimension);
            int[] positions = [.. Enumerable.Range(0, rows).Select(row => row == 0 ? 0 : random.Next(131072))];
            float[] x = random.Random((long)rows * heads * dimension);
            foreach (RopeParameters parameters in (RopeParameters[])
                [RopeParameters.Plain(dimension, 500000), RopeParameters.Yarn(dimension, 500000, 16, 8192, 32, 1, null)])
            {
                yield return new($"table of {rows} positions, {dimension} wide", new(0, 1.2e-7), kernels => Rotate(kernels, parameters, heads, positions, x, wantsTable: true));
                yield return new($"{rows} × {heads} heads of {dimension}", new(0, 3e-6), kernels => Rotate(kernels, parameters, heads, positions, x, wantsTable: false));
            }
        }
    }

    private static double[] Rotate(IForwardKernels kernels, RopeParameters parameters, int heads, int[] positions, float[] x, bool wantsTable)
    {
        int rows = positions.Length, dimension = parameters.Dimension;
        using Tensor p = kernels.Integers(new Shape(rows), positions), table = kernels.Output(new Shape(rows, dimension));
        using Tensor input = kernels.Input(new Shape(rows, heads * dimension), x), y = kernels.Output(input.Shape);
        kernels.RopeTable(p, parameters, table);
        kernels.Rope(input, table, y);
        return (wantsTable ? table : y).Read();
    }

    private static IEnumerable<OperationCase> SwiGlus(CheckedDevice device)
    {
        foreach ((int rows, int width) in device.Sizes([(1, 1), (3, 90)], [(1, 1), (3, 90), (64, 896)]))
        {
            float[] gateUp = new Random(width).Random(2L * rows * width, scale: 20);
            yield return new($"{rows} × {width}", new(Float32, 1e-35), kernels =>
            {
                using Tensor x = kernels.Input(new Shape(rows, 2 * width), gateUp), y = kernels.Output(new Shape(rows, width));
                kernels.SwiGlu(x, y);
                return y.Read();
            });
        }
    }

    private static IEnumerable<OperationCase> LogSumExps(CheckedDevice device)
    {
        foreach ((int rows, int width) in device.Sizes([(1, 1), (2, 700)], [(1, 1), (2, 700), (3, 98304)]))
        {
            float[] logits = new Random(width).Random((long)rows * width, scale: 10);
            yield return new($"{rows} × {width}", new(Float32, Float32), kernels =>
            {
                using Tensor x = kernels.Input(new Shape(rows, width), logits), lse = kernels.Output(new Shape(rows));
                kernels.LogSumExp(x, lse);
                return lse.Read();
            });
        }
    }

    private static IEnumerable<OperationCase> Exact(CheckedDevice device)
    {
        foreach ((int rows, int width, int right) in device.Sizes([(3, 40, 7)], [(3, 40, 7), (65, 2304, 333)]))
        {
            Random random = new(width);
            float[] a = random.Random((long)rows * width, extremes: true), b = random.Random((long)rows * width), c = random.Random((long)rows * right);
            yield return new($"{rows} × {width}", Bound.Exact, kernels =>
            {
                using Tensor ta = kernels.Input(new Shape(rows, width), a), tb = kernels.Input(new Shape(rows, width), b), tc = kernels.Input(new Shape(rows, right), c);
                using Tensor sum = kernels.Output(ta.Shape), rounded = kernels.Output(ta.Shape), joined = kernels.Output(new Shape(rows, width + right));
                using Tensor copy = kernels.Output(new Shape(rows - 2, width));
                kernels.Add(ta, tb, sum);
                kernels.Concatenate(ta, tc, joined);
                kernels.CopyRows(ta, 1, copy);
                kernels.RoundToBFloat16(ta, rounded);
                return [.. sum.Read(), .. joined.Read(), .. copy.Read(), .. rounded.Read()];
            });
        }
    }

    private static IEnumerable<OperationCase> Embeddings(CheckedDevice device)
    {
        int[] ids = [10, 0, 3, 3];
        foreach ((DType format, ScaleKind? scale) in ProductOperations.Formats)
        {
            yield return new($"{format.Name()} {scale}", Bound.Exact, kernels =>
            {
                using WeightMatrix plain = WeightFactory.Create(new Random(9), format, scale, 11, 133), table = kernels.PrepareEmbedding(plain);
                using Tensor tokens = kernels.Integers(new Shape(4), ids), y = kernels.Output(new Shape(4, 133));
                kernels.Embed(tokens, table, y);
                return y.Read();
            });
        }
    }
}
