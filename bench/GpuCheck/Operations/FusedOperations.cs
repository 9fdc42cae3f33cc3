using Mellum2.Managed.Engine;
using Mellum2.Managed.Gpu.Tests;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Kernels.Tests;

namespace Mellum2.Managed.GpuCheck;

/// <summary>Several operations in one kernel: what the definition gives, and the bits of the elementary kernels of the device.</summary>
internal static class FusedOperations
{
    private const string Bits = "the bits of the elementary kernels";

    // Fused, or as the composition of elementary operations that it stands for.
    private delegate double[] Runner(IForwardKernels kernels, IWorkspace workspace, bool isFused);

    public static IEnumerable<Check> All() =>
    [
        OperationChecks.Of("Project", $"K·2⁻²⁴ of Σ|x·W|; {Bits}", Projections),
        OperationChecks.Of("MatMulAdd", $"K·2⁻²⁴ of Σ|x·W|; {Bits}", Sums),
        OperationChecks.Of("MatMulSwiGlu, GroupedMatMulSwiGlu", $"10⁻⁴ of the result and 10⁻³; {Bits}", Gates),
        OperationChecks.Of("NormalizeAndRotate", $"10⁻⁵ of the result and 2·10⁻⁵; {Bits}", Heads),
        OperationChecks.Of("RouteAndDispatch", $"10⁻⁶ of the result; {Bits}", Routes),
        OperationChecks.Of("CombineAdd", $"10⁻⁶ of the result and 4·10⁻⁶; {Bits}", Combinations),
    ];

    private static OperationCase Case(string what, Bound bound, Runner run)
    {
        double[] Run(IForwardKernels kernels, bool isFused)
        {
            using PooledWorkspace workspace = new(kernels.Device.Allocate);
            return run(kernels, workspace, isFused);
        }
        return new(what, bound, kernels => Run(kernels, isFused: true)) { Same = kernels => Run(kernels, isFused: false) };
    }

    // Rows up to and behind the most that the kernel for few rows takes.
    private static (int Rows, int Outputs, int Columns)[] Shapes(CheckedDevice device) =>
        device.Sizes([(2, 5, 70)], [(1, 5, 3), (3, 7, 130), (8, 300, 2304), (9, 67, 33)]);

    private static IEnumerable<OperationCase> Projections(CheckedDevice device)
    {
        foreach ((DType format, ScaleKind? scale) in ProductOperations.FormatsFor(device))
        {
            foreach ((int rows, int outputs, int columns) in Shapes(device))
            {
                Random random = new(columns);
                float[] x = random.Random((long)rows * columns);
                using WeightMatrix wq = WeightFactory.Create(random, format, scale, outputs, columns), wk = WeightFactory.Create(random, format, scale, 2, columns);
                using WeightMatrix wv = WeightFactory.Create(random, format, scale, 6, columns);
                double[] magnitudes = [.. new[] { wq, wk, wv }.SelectMany(w => ProductOperations.Magnitudes([w], x, columns))];
                yield return Case($"{rows} × {columns}, {format.Name()} {scale}", new(ProductOperations.Share(MatrixUnits.None, columns), 1e-30, magnitudes), (kernels, _, isFused) =>
                    FusedCalls.Project(kernels, isFused, wq, wk, wv, x));
            }
        }
    }

    private static IEnumerable<OperationCase> Sums(CheckedDevice device)
    {
        foreach ((DType format, ScaleKind? scale) in ProductOperations.FormatsFor(device))
        {
            foreach ((int rows, int outputs, int columns) in Shapes(device))
            {
                Random random = new(columns);
                float[] x = random.Random((long)rows * columns), residual = random.Random((long)rows * outputs);
                using WeightMatrix plain = WeightFactory.Create(random, format, scale, outputs, columns);
                double[] magnitudes = [.. ProductOperations.Magnitudes([plain], x, columns).Select((sum, i) => sum + Math.Abs(residual[i]))];
                yield return Case($"{rows} × {columns}, {format.Name()} {scale}", new(ProductOperations.Share(MatrixUnits.None, columns), 1e-30, magnitudes), (kernels, workspace, isFused) =>
                    FusedCalls.MatMulAdd(kernels, workspace, isFused, plain, x, residual));
            }
        }
    }

    private static IEnumerable<OperationCase> Gates(CheckedDevice device)
    {
        const int Slots = 2, Tokens = 4;
        int[] order = [3, 0, 6, 1, 7, 2, 4, 5], offsets = [0, 3, 3, 8];
        (int inner, int columns) = device.IsEmulated ? (5, 70) : (67, 300);
        foreach (DType format in (DType[])[DType.F32, DType.BF16])
        {
            Random random = new(4);
            float[] x = random.Random(Tokens * columns);
            WeightMatrix[] plain = [.. Enumerable.Range(0, 3).Select(_ => WeightFactory.Create(random, format, null, 2 * inner, columns))];
            yield return Case($"{Tokens} × {columns}, {format.Name()}", new(1e-4, 1e-3), (kernels, workspace, isFused) =>
                FusedCalls.MatMulSwiGlu(kernels, workspace, isFused, plain[0], x));
            yield return Case($"experts of {Tokens} × {columns}, {format.Name()}", new(1e-4, 1e-3), (kernels, workspace, isFused) =>
                FusedCalls.GroupedMatMulSwiGlu(kernels, workspace, isFused, plain, x, order, Slots, offsets));
            foreach (WeightMatrix w in plain)
                w.Dispose();
        }
    }

    private static IEnumerable<OperationCase> Heads(CheckedDevice device)
    {
        const int Queries = 4, Keys = 2, Position = 62;
        foreach ((int rows, int dimension) in device.Sizes([(3, 6)], [(1, 6), (4, 128), (1, 256)]))
        {
            Random random = new(dimension);
            float[] q = random.Random(rows * Queries * dimension), k = random.Random(rows * Keys * dimension), v = random.Random(rows * Keys * dimension);
            float[] queryNorm = random.Random(dimension), keyNorm = random.Random(dimension);
            yield return Case($"{rows} rows, heads of {dimension}", new(1e-5, 2e-5), (kernels, workspace, isFused) =>
            {
                using KvLayer cache = new(Keys, dimension, kernels.ActivationType, 128, kernels.Device.Allocate);
                using Tensor positions = kernels.Integers(new Shape(rows), [.. Enumerable.Range(Position, rows)]), table = kernels.Output(new Shape(rows, dimension));
                kernels.RopeTable(positions, RopeParameters.Plain(dimension, 10000), table);
                using Tensor queries = kernels.Input(new Shape(rows, Queries * dimension), q), keys = kernels.Input(new Shape(rows, Keys * dimension), k);
                using Tensor values = kernels.Input(keys.Shape, v), qw = kernels.Singles(new Shape(dimension), queryNorm), kw = kernels.Singles(new Shape(dimension), keyNorm);
                using Tensor turnedQ = kernels.Output(queries.Shape), turnedK = kernels.Output(keys.Shape);
                using Tensor seen = kernels.Output(queries.Shape), lse = kernels.Output(new Shape(rows, Queries));
                HeadTensors heads = new(queries, keys, values, qw, kw, turnedQ, turnedK);
                SequenceRows kept = new(0, rows, Position);
                if (isFused)
                    kernels.NormalizeAndRotate(heads, 1e-6f, table, kept, cache, workspace);
                else
                    Composition.NormalizeAndRotate(kernels, heads, 1e-6f, table, kept, cache, workspace);
                // Each query sees its own position alone: its value, and its product with its key.
                kernels.Attention(turnedQ, kept, cache, new AttentionParameters(Queries, 1, 1), seen, lse);
                return [.. turnedQ.Read(), .. turnedK.Read(), .. seen.Read(), .. lse.Read()];
            });
        }
    }

    private static IEnumerable<OperationCase> Routes(CheckedDevice device)
    {
        foreach ((int tokens, int experts, int k) in device.Sizes([(3, 17, 4)], [(1, 64, 8), (5, 7, 3), (16, 70, 4), (17, 5, 2)]))
        {
            float[] logits = RoutingOperations.Logits(new Random(experts), tokens, experts);
            yield return Case($"{tokens} tokens, {k} of {experts}", new(1e-6, 0), (kernels, _, isFused) =>
                FusedCalls.RouteAndDispatch(kernels, isFused, logits, experts, k));
        }
    }

    private static IEnumerable<OperationCase> Combinations(CheckedDevice device)
    {
        foreach ((int tokens, int k, int width) in device.Sizes([(3, 2, 50)], [(1, 8, 2304), (3, 2, 50), (65, 8, 2304)]))
        {
            Random random = new(width);
            int[] place = [.. Enumerable.Range(0, tokens * k)];
            random.Shuffle(place);
            float[] rows = random.Random((long)tokens * k * width), weights = random.Random((long)tokens * k), residual = random.Random((long)tokens * width);
            yield return Case($"{tokens} × {width}, {k} experts", new(1e-6, 4e-6), (kernels, workspace, isFused) =>
                FusedCalls.CombineAdd(kernels, workspace, isFused, k, width, rows, place, weights, residual));
        }
    }
}
