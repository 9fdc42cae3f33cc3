using Mellum2.Managed.Bench;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.GpuCheck;

/// <summary>Attention of one layer of the 12B shape: a token at position 4,096, and a prompt.</summary>
internal static class AttentionBench
{
    private const int Cached = 4096;
    private const int PromptTokens = 512;

    public static IEnumerable<Measurement> Run(CheckedDevice device)
    {
        ModelConfiguration shape = ModelConfiguration.Named("mellum2-12b");
        foreach ((int rows, int cached) in ((int, int)[])[(1, Cached), (device.IsProcessor ? 32 : PromptTokens, 0)])
            foreach (AttentionKind kind in (AttentionKind[])[AttentionKind.Sliding, AttentionKind.Full])
                yield return Measure(device, shape, kind, rows, cached);
    }

    private static Measurement Measure(CheckedDevice device, ModelConfiguration shape, AttentionKind kind, int rows, int cached)
    {
        GpuKernels kernels = device.Kernels();
        int heads = shape.QuerySize / shape.HeadSize, kvHeads = shape.KeyValueSize / shape.HeadSize, window = kind == AttentionKind.Sliding ? shape.SlidingWindow : 0;
        int total = cached + rows;
        using Tensor keys = Random(device, total, shape.KeyValueSize), values = Random(device, total, shape.KeyValueSize);
        using Tensor q = Random(device, rows, shape.QuerySize), output = Random(device, rows, shape.QuerySize);
        KvLayer[] caches = [.. Enumerable.Range(0, device.Copies(KvLayer.BytesFor(kvHeads, shape.HeadSize, DType.BF16, total)))
            .Select(_ => new KvLayer(kvHeads, shape.HeadSize, DType.BF16, total, device.Gpu.Allocate))];
        foreach (KvLayer cache in caches)
            kernels.AppendKeyValues(keys, values, new SequenceRows(0, total, 0), cache);
        AttentionParameters parameters = new(heads, window, 1 / MathF.Sqrt(shape.HeadSize));
        double seconds = device.Time(device.IsProcessor ? 1 : 16, i => kernels.Attention(q, new SequenceRows(0, rows, cached), caches[i % caches.Length], parameters, output));
        foreach (KvLayer cache in caches)
            cache.Dispose();
        int layers = shape.LayerTypes.Count(other => other == kind);
        string name = kind == AttentionKind.Sliding ? "attention, sliding" : "attention, full";
        KernelWork all = KernelWork.Of(shape, DType.BF16, rows, cached).Single(one => one.Kernel == name);
        return new($"{name}, {rows} {(rows == 1 ? "row" : "rows")} behind {cached}", 1e6 * seconds, "µs", device.Profile() is { } profile ? 1e6 * all.Seconds(profile) / layers : null);
    }

    private static Tensor Random(CheckedDevice device, int rows, int columns)
    {
        using Tensor x = BenchData.Activations(rows, columns);
        return x.CopyTo(device.Gpu);
    }
}
