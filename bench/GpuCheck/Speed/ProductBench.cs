using Mellum2.Managed.Bench;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.GpuCheck;

/// <summary>The products of one layer of the 12B shape and its output head, for one token and for a prompt.</summary>
internal static class ProductBench
{
    private const int PromptTokens = 512;
    private const int Routings = 8;

    public static IEnumerable<Measurement> Run(CheckedDevice device)
    {
        ModelConfiguration shape = ModelConfiguration.Named("mellum2-12b").WithLayers(1);
        // A processor would take minutes for all experts and for a prompt.
        if (device.IsProcessor)
            shape = shape with { ExpertCount = 2 * shape.ExpertsPerToken };
        int[] sizes = device.IsProcessor ? [1] : [1, PromptTokens];
        foreach (DType format in (DType[])[DType.BF16, DType.F8E4M3])
        {
            foreach (Measurement number in Dense(device, shape, format, sizes).Concat(Experts(device, shape, format, sizes)))
                yield return number;
        }
    }

    private static IEnumerable<Measurement> Dense(CheckedDevice device, ModelConfiguration shape, DType format, int[] sizes)
    {
        GpuKernels kernels = device.Kernels();
        using PooledWorkspace workspace = new(device.Gpu.Allocate);
        WeightMatrix[] query = Matrices(device, format, shape.QuerySize, shape.HiddenSize), output = Matrices(device, format, shape.HiddenSize, shape.QuerySize);
        WeightMatrix[] key = Matrices(device, format, shape.KeyValueSize, shape.HiddenSize, query.Length), value = Matrices(device, format, shape.KeyValueSize, shape.HiddenSize, query.Length);
        WeightMatrix[] head = Matrices(device, format, shape.VocabularySize, shape.HiddenSize);
        foreach (int rows in sizes)
        {
            using Tensor x = Input(device, rows, shape.HiddenSize), q = Input(device, rows, shape.QuerySize), y = Input(device, rows, shape.HiddenSize);
            using Tensor k = Input(device, rows, shape.KeyValueSize), v = Input(device, rows, shape.KeyValueSize);
            foreach (Measurement number in Measure(device, shape, format, rows, "q, k, v", i =>
                kernels.Project(x, query[i % query.Length], key[i % key.Length], value[i % value.Length], q, k, v)))
                yield return number;
            foreach (Measurement number in Measure(device, shape, format, rows, "attention output", i => kernels.MatMulAdd(q, output[i % output.Length], x, y, workspace)))
                yield return number;
        }
        using Tensor last = Input(device, 1, shape.HiddenSize), logits = Input(device, 1, shape.VocabularySize);
        foreach (Measurement number in Measure(device, shape, format, 1, "output head", i => kernels.MatMul(last, head[i % head.Length], logits)))
            yield return number;
        foreach (WeightMatrix matrix in (WeightMatrix[])[.. query, .. key, .. value, .. output, .. head])
            matrix.Dispose();
    }

    private static IEnumerable<Measurement> Experts(CheckedDevice device, ModelConfiguration shape, DType format, int[] sizes)
    {
        GpuKernels kernels = device.Kernels();
        using PooledWorkspace workspace = new(device.Gpu.Allocate);
        int slots = shape.ExpertsPerToken;
        WeightMatrix[] gateUp = Matrices(device, format, 2 * shape.ExpertSize, shape.HiddenSize, shape.ExpertCount);
        kernels.Gather(gateUp);
        WeightMatrix[] down = Matrices(device, format, shape.HiddenSize, shape.ExpertSize, shape.ExpertCount);
        kernels.Gather(down);
        foreach (int rows in sizes)
        {
            Random random = new(rows);
            (Tensor Offsets, Tensor Order)[] routings = [.. Enumerable.Range(0, Routings).Select(_ => Route(device, random, rows, shape))];
            using Tensor x = Input(device, rows, shape.HiddenSize), inner = Input(device, rows * slots, shape.ExpertSize), y = Input(device, rows * slots, shape.HiddenSize);
            foreach (Measurement number in Measure(device, shape, format, rows, "gate and up of experts", i =>
                kernels.GroupedMatMulSwiGlu(x, routings[i % Routings].Order, slots, routings[i % Routings].Offsets, gateUp, inner, workspace)))
                yield return number;
            foreach (Measurement number in Measure(device, shape, format, rows, "down of experts", i =>
                kernels.GroupedMatMul(inner, null, slots, routings[i % Routings].Offsets, down, y)))
                yield return number;
            foreach ((Tensor offsets, Tensor order) in routings)
            {
                offsets.Dispose();
                order.Dispose();
            }
        }
        foreach (WeightMatrix matrix in gateUp.Concat(down))
            matrix.Dispose();
    }

    /// <summary>Every token chooses its experts independently and evenly, as the prediction has it.</summary>
    private static (Tensor Offsets, Tensor Order) Route(CheckedDevice device, Random random, int rows, ModelConfiguration shape)
    {
        int pairs = rows * shape.ExpertsPerToken;
        int[] chosen = [.. Enumerable.Range(0, rows).SelectMany(_ => Choose(random, shape))];
        using Tensor experts = Tensor.Allocate(DType.I32, new Shape(rows, shape.ExpertsPerToken), device.Gpu), place = Tensor.Allocate(DType.I32, new Shape(pairs), device.Gpu);
        Tensor offsets = Tensor.Allocate(DType.I32, new Shape(shape.ExpertCount + 1), device.Gpu), order = Tensor.Allocate(DType.I32, new Shape(pairs), device.Gpu);
        experts.Write<int>(chosen);
        device.Kernels().Dispatch(experts, offsets, order, place);
        device.Gpu.Synchronize();
        return (offsets, order);
    }

    private static IEnumerable<int> Choose(Random random, ModelConfiguration shape)
    {
        int[] all = [.. Enumerable.Range(0, shape.ExpertCount)];
        random.Shuffle(all);
        return all.Take(shape.ExpertsPerToken);
    }

    private static IEnumerable<Measurement> Measure(CheckedDevice device, ModelConfiguration shape, DType format, int rows, string kernel, Action<int> run)
    {
        KernelWork work = KernelWork.Of(shape, format, rows, 0).Single(one => one.Kernel == kernel);
        double seconds = device.Time(device.IsProcessor || rows > 1 ? 1 : 16, run);
        double? predicted = device.Profile() is { } profile ? work.Seconds(profile) : null;
        string what = $"{kernel}, {format.Name()}, {rows} {(rows == 1 ? "row" : "rows")}";
        yield return new(what, 1e6 * seconds, "µs", 1e6 * predicted);
        yield return rows == 1
            ? new(what, work.Bytes / seconds / 1e9, "GB/s", work.Bytes / predicted / 1e9)
            : new(what, work.Flops / seconds / 1e9, "GFLOP/s", work.Flops / predicted / 1e9);
    }

    // As many of one content as are to be read in turns; what is in them does not matter for their time.
    private static WeightMatrix[] Matrices(CheckedDevice device, DType format, int rows, int columns, int count = 0)
    {
        using WeightMatrix plain = BenchData.Weights(format, rows, columns);
        return [.. Enumerable.Range(0, count > 0 ? count : device.Copies((long)rows * columns * format.Size())).Select(_ => device.Kernels().Prepare([plain]))];
    }

    private static Tensor Input(CheckedDevice device, int rows, int columns)
    {
        using Tensor x = BenchData.Activations(rows, columns);
        return x.CopyTo(device.Gpu);
    }
}
