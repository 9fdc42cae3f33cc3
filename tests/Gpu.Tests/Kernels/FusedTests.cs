using Mellum2.Managed.Model;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Gpu.Tests;

/// <summary>
/// Fused kernels give the bits of the elementary kernels of their device, and what the definition gives within the error of
/// float32.
/// </summary>
public sealed class FusedTests
{
    /// <summary>A device's kernels without tensor cores and with them, or their simulation.</summary>
    public static IEnumerable<object?[]> Formats()
    {
        foreach (object?[] row in ProductTests.Formats())
        {
            yield return [row[0], false, row[1], row[2]];
            // The emulator takes a second for a simulated product.
            bool isSlow = TestDevices.IsEmulator((string)row[0]!) && (ScaleKind?)row[2] is ScaleKind.Row or ScaleKind.Tensor;
            if ((DType)row[1]! is DType.BF16 or DType.F8E4M3 && !isSlow)
                yield return [row[0], true, row[1], row[2]];
        }
    }

    /// <summary>The devices, without tensor cores and with them.</summary>
    public static IEnumerable<object[]> Units() =>
        from device in TestDevices.Names
        from tensorCores in new[] { false, true }
        select new object[] { device[0], tensorCores };

    private static GpuKernels Get(string device, bool tensorCores) => tensorCores ? TestDevices.TensorCores(device) : TestDevices.Get(device);

    private static void Check(string device, double relative, double absolute, Func<IForwardKernels, IWorkspace, bool, double[]> run) =>
        Check(TestDevices.Get(device), relative, absolute, run);

    private static void Check(GpuKernels kernels, double relative, double absolute, Func<IForwardKernels, IWorkspace, bool, double[]> run)
    {
        using PooledWorkspace here = new(), there = new(kernels.Device.Allocate);
        double[] fused = run(kernels, there, true);
        Activations.AssertSame(run(kernels, there, false), fused);
        Activations.AssertClose(run(TestDevices.Reference, here, true), fused, relative, absolute);
    }

    // Rows up to and behind the most that the kernels for few rows take.
    private static IEnumerable<(int Rows, int Outputs, int Columns)> Shapes(string device, bool tensorCores) => (TestDevices.IsEmulator(device), tensorCores) switch
    {
        (true, false) => [(1, 5, 3), (3, 7, 130), (9, 3, 70)],
        (true, true) => [(3, 11, 70), (17, 5, 33)],
        (false, false) => [(1, 5, 3), (3, 7, 130), (5, 64, 1100), (8, 300, 2304), (9, 67, 33), (70, 130, 200)],
        (false, true) => [(1, 5, 3), (11, 300, 2304), (16, 67, 1000), (17, 67, 33), (70, 130, 200)],
    };

    private static double Absolute(WeightMatrix w, int columns) => (w.Format == DType.F8E4M3 && w.Scales is null ? 448 : 0.7) * 4e-7 * (columns + 8);

    [Theory]
    [MemberData(nameof(Formats))]
    public void Projections_are_three_products(string device, bool tensorCores, DType format, ScaleKind? scale)
    {
        foreach ((int rows, int outputs, int columns) in Shapes(device, tensorCores))
        {
            using WeightMatrix query = WeightFactory.Create(new Random(1), format, scale, outputs, columns);
            using WeightMatrix key = WeightFactory.Create(new Random(2), format, scale, 2, columns), value = WeightFactory.Create(new Random(3), format, scale, 6, columns);
            float[] x = new Random(columns).Random((long)rows * columns);
            Check(Get(device, tensorCores), 0, 100 * Absolute(query, columns), (kernels, _, fused) => FusedCalls.Project(kernels, fused, query, key, value, x));
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void A_product_is_added_to_the_residual(string device, bool tensorCores, DType format, ScaleKind? scale)
    {
        foreach ((int rows, int outputs, int columns) in Shapes(device, tensorCores))
        {
            using WeightMatrix w = WeightFactory.Create(new Random(1), format, scale, outputs, columns);
            float[] x = new Random(columns).Random((long)rows * columns), residual = new Random(9).Random((long)rows * outputs);
            Check(Get(device, tensorCores), 1e-6, 100 * Absolute(w, columns), (kernels, workspace, fused) => FusedCalls.MatMulAdd(kernels, workspace, fused, w, x, residual));
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Gate_and_up_are_joined_as_SwiGlu_does(string device, bool tensorCores, DType format, ScaleKind? scale)
    {
        foreach ((int rows, int inner, int columns) in Shapes(device, tensorCores))
        {
            // Small activations, so that neither the product nor its error is large where a format has large codes.
            double size = format == DType.F8E4M3 && scale is null ? 1e-3 : 1;
            float[] x = new Random(columns).Random((long)rows * columns, size);
            using WeightMatrix gateUp = WeightFactory.Create(new Random(1), format, scale, 2 * inner, columns);
            double largest = 1000 * size * Absolute(gateUp, columns) * (1 + size * 0.5 * columns);
            Check(Get(device, tensorCores), 1e-4, largest, (kernels, workspace, fused) => FusedCalls.MatMulSwiGlu(kernels, workspace, fused, gateUp, x));
        }
    }

    [Theory]
    [MemberData(nameof(Units))]
    public void Gate_and_up_of_experts_are_joined_as_SwiGlu_does(string device, bool tensorCores)
    {
        const int Inner = 11, Columns = 70, Slots = 2, Tokens = 4;
        Random random = new(4);
        float[] x = random.Random(Tokens * Columns);
        int[] order = [3, 0, 6, 1, 7, 2, 4, 5], offsets = [0, 3, 3, 8];
        WeightMatrix[] experts = [.. Enumerable.Range(0, 3).Select(e => WeightFactory.Create(new Random(e), DType.BF16, null, 2 * Inner, Columns))];
        Check(Get(device, tensorCores), 1e-4, 1e-3, (kernels, workspace, fused) =>
            FusedCalls.GroupedMatMulSwiGlu(kernels, workspace, fused, experts, x, order, Slots, offsets));
        foreach (WeightMatrix expert in experts)
            expert.Dispose();
    }

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void Heads_are_normed_turned_and_kept(string device)
    {
        // Rows, head dimension, whether the cache is BF16, the first row that is kept; the last two have no fused kernel and no cache.
        foreach ((int rows, int dimension, bool bfloat16, int first) in new[] { (1, 6, false, 0), (4, 130, true, 1), (1, 258, false, 0), (3, 16, false, -1) })
        {
            const int Heads = 3, KeyHeads = 2, Position = 62;
            Random random = new(dimension);
            float[] q = random.Random(rows * Heads * dimension), k = random.Random(rows * KeyHeads * dimension);
            float[] v = random.Random(rows * KeyHeads * dimension), queryNorm = random.Random(dimension), keyNorm = random.Random(dimension);
            // A head whose squares overflow.
            k[0] = 1e25f;
            // A BF16 cache of float64 keys and one of float32 keys differ in a last place now and then.
            Check(device, 1e-5, 2e-5, (kernels, workspace, fused) => Run(kernels, workspace, fused, bfloat16 ? 1 : null));
            using PooledWorkspace room = new(TestDevices.Get(device).Device.Allocate);
            Activations.AssertSame(Run(TestDevices.Get(device), room, false, null), Run(TestDevices.Get(device), room, true, null));

            double[] Run(IForwardKernels kernels, IWorkspace workspace, bool fused, int? digits)
            {
                DType format = bfloat16 ? DType.BF16 : kernels.ActivationType;
                using KvLayer cache = new(KeyHeads, dimension, format, 64, kernels.Device.Allocate);
                AttentionCase.Fill(cache, 0, cache.Slots, 0);
                using Tensor positions = kernels.Integers(new Shape(rows), [.. Enumerable.Range(Position, rows)]);
                using Tensor table = kernels.Output(new Shape(rows, dimension));
                kernels.RopeTable(positions, RopeParameters.Plain(dimension, 10000), table);
                using Tensor queries = kernels.Input(new Shape(rows, Heads * dimension), q), keys = kernels.Input(new Shape(rows, KeyHeads * dimension), k);
                using Tensor values = kernels.Input(new Shape(rows, KeyHeads * dimension), v);
                using Tensor qw = kernels.Singles(new Shape(dimension), queryNorm), kw = kernels.Singles(new Shape(dimension), keyNorm);
                using Tensor turnedQ = kernels.Output(queries.Shape), turnedK = kernels.Output(keys.Shape);
                HeadTensors heads = new(queries, keys, values, qw, kw, turnedQ, turnedK);
                SequenceRows kept = first < 0 ? default : new SequenceRows(first, rows - first, Position);
                if (fused)
                    kernels.NormalizeAndRotate(heads, 1e-6f, table, kept, first < 0 ? null : cache, workspace);
                else
                    Composition.NormalizeAndRotate(kernels, heads, 1e-6f, table, kept, first < 0 ? null : cache, workspace);
                IEnumerable<double> held = Numbers(cache);
                return [.. turnedQ.Read(), .. turnedK.Read(), .. digits is { } places ? held.Select(number => Math.Round(number, places)) : held];
            }
        }
    }

    private static IEnumerable<double> Numbers(KvLayer cache)
    {
        foreach (Tensor tensor in new[] { cache.Keys, cache.Values })
        {
            if (tensor.Type == DType.BF16)
            {
                ushort[] bits = new ushort[tensor.Count];
                tensor.Read<ushort>(bits);
                foreach (ushort value in bits)
                    yield return BitConverter.Int32BitsToSingle(value << 16);
                continue;
            }
            if (tensor.Type == DType.F64)
            {
                double[] numbers = new double[tensor.Count];
                tensor.Read<double>(numbers);
                foreach (double number in numbers)
                    yield return number;
                continue;
            }
            float[] singles = new float[tensor.Count];
            tensor.Read<float>(singles);
            foreach (float number in singles)
                yield return number;
        }
    }

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void A_choice_is_sorted_at_once(string device)
    {
        foreach ((int tokens, int experts, int k) in new[] { (1, 64, 8), (5, 7, 3), (16, 70, 4), (17, 5, 2) })
        {
            Random random = new(tokens);
            float[] logits = [.. random.Random((long)tokens * experts, scale: 2).Select(z => MathF.Round(z * 64) / 64)], b = random.Random(experts);
            foreach (bool biased in new[] { false, true })
            {
                Check(device, 1e-6, 0, (kernels, _, fused) => FusedCalls.RouteAndDispatch(kernels, fused, logits, experts, k, biased ? b : null));
            }
        }
    }

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void What_the_experts_made_is_added_to_the_residual(string device) => TestDevices.ForShapes(device, 6, 70, (tokens, width, random) =>
    {
        int k = random.Next(1, 9);
        int[] place = [.. Enumerable.Range(0, tokens * k)];
        random.Shuffle(place);
        float[] rows = random.Random((long)tokens * k * width), weights = random.Random(tokens * k), residual = random.Random((long)tokens * width);
        Check(device, 1e-6, 4e-6, (kernels, workspace, fused) =>
            FusedCalls.CombineAdd(kernels, workspace, fused, k, width, rows, place, weights, residual));
    });
}
