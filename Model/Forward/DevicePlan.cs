using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>What a model needs on a device, part by part, as upper bounds that are computed before anything is allocated.</summary>
public static class DevicePlan
{
    /// <summary>
    /// The bytes of the weights as a device has them: rows padded to 16 columns, scales of FP8 by row, and by 128 columns where the
    /// checkpoint has them in blocks.
    /// </summary>
    /// <param name="configuration">The model.</param>
    /// <param name="withMtp">Whether the MTP head is loaded.</param>
    /// <param name="format">The format of a matrix by its name.</param>
    /// <param name="hasBlockScales">Whether a matrix of FP8 has scales in blocks; null where all have.</param>
    public static long WeightBytes(
        ModelConfiguration configuration, bool withMtp, Func<string, DType> format, Func<string, bool>? hasBlockScales = null) =>
        configuration.ExpectedTensors(withMtp).Sum(tensor => TensorBytes(tensor, format, hasBlockScales));

    /// <summary>
    /// The bytes that loading takes beside the weights: a layer's experts are read one by one and then put into one block, which
    /// for the larger of the two blocks is a copy.
    /// </summary>
    /// <inheritdoc cref="WeightBytes"/>
    public static long LoadingBytes(
        ModelConfiguration configuration, bool withMtp, Func<string, DType> format, Func<string, bool>? hasBlockScales = null) =>
        configuration.ExpectedTensors(withMtp)
            .Where(tensor => tensor.Name.Contains(".mlp.experts.", StringComparison.Ordinal))
            .GroupBy(tensor => (
                Layer: tensor.Name[..tensor.Name.IndexOf(".mlp.", StringComparison.Ordinal)],
                IsDown: tensor.Name.EndsWith("down_proj.weight", StringComparison.Ordinal)))
            .Select(block => block.Sum(tensor => TensorBytes(tensor, format, hasBlockScales)))
            .DefaultIfEmpty().Max();

    /// <summary>The plan for loading the weights, which nothing runs beside.</summary>
    /// <param name="device">The device.</param>
    /// <param name="configuration">The model.</param>
    /// <param name="withMtp">Whether the MTP head is loaded.</param>
    /// <param name="format">The format of a matrix by its name.</param>
    /// <param name="hasBlockScales">Whether a matrix of FP8 has scales in blocks; null where all have.</param>
    public static DeviceMemoryPlan Loading(
        GpuDescription device, ModelConfiguration configuration, bool withMtp, Func<string, DType> format,
        Func<string, bool>? hasBlockScales = null) => new(
        device,
        [
            new MemoryPart("weights", WeightBytes(configuration, withMtp, format, hasBlockScales)),
            new MemoryPart("a layer's experts while they are put together", LoadingBytes(configuration, withMtp, format, hasBlockScales)),
        ]);

    /// <summary>What a run needs beside the weights.</summary>
    /// <param name="configuration">The model.</param>
    /// <param name="withMtp">Whether the MTP head runs too.</param>
    /// <param name="cacheFormat">The format of keys and values.</param>
    /// <param name="context">The positions of the one sequence.</param>
    /// <param name="chunk">The tokens of the largest pass.</param>
    /// <param name="logitRows">The rows whose logits are made at once.</param>
    public static IReadOnlyList<MemoryPart> Running(
        ModelConfiguration configuration, bool withMtp, DType cacheFormat, int context, int chunk, int logitRows)
    {
        AttentionKind[] kinds = [.. (withMtp ? configuration.LayerTypes.Append(configuration.MtpLayerType) : configuration.LayerTypes).Distinct()];
        int slots = KvLayer.RoundUp(context);
        return
        [
            new MemoryPart("cache", new CachePlan(configuration, cacheFormat, context, chunk, withMtp).Bytes),
            new MemoryPart("activations", ActivationPlan.Bytes(configuration, chunk, logitRows, withMtp)),
            new MemoryPart("rotary tables", kinds.Length * GpuKernels.RotaryTableBytes(configuration.HeadSize)),
            new MemoryPart("attention", kinds.Max(kind => GpuKernels.SplitBytes(
                configuration.QuerySize / configuration.HeadSize, configuration.HeadSize, slots,
                kind == AttentionKind.Sliding ? configuration.SlidingWindow : 0))),
            // The decoder's, and the drafter's own beside states of the trunk that wait for their next token.
            new MemoryPart("choices", DecodeState.Bytes + (withMtp ? 2 : 1) * LogitsReader.MostDeviceBytes(configuration.VocabularySize)),
            .. withMtp ? [new MemoryPart("drafts", MtpDrafter.DeviceBytes(configuration, chunk))] : (IEnumerable<MemoryPart>)[],
        ];
    }

    private static long TensorBytes(ExpectedTensor tensor, Func<string, DType> format, Func<string, bool>? hasBlockScales)
    {
        if (tensor.Shape.Rank == 1)
            return tensor.Shape.Count * sizeof(float);
        DType type = format(tensor.Name);
        // Gate and up are one matrix there: blocks in either are blocks in both.
        bool inBlocks = hasBlockScales is null || hasBlockScales(tensor.Name) || hasBlockScales(Twin(tensor.Name));
        long scales = type != DType.F8E4M3 ? 0 : inBlocks ? (tensor.Shape.Columns + WeightScales.BlockSize - 1) / WeightScales.BlockSize : 1;
        return tensor.Shape.Rows * (GpuKernels.PaddedColumns(tensor.Shape.Columns) * type.Size() + scales * sizeof(float));
    }

    private static string Twin(string name) => name.Contains("gate_proj", StringComparison.Ordinal)
        ? name.Replace("gate_proj", "up_proj", StringComparison.Ordinal)
        : name.Replace("up_proj", "gate_proj", StringComparison.Ordinal);
}
