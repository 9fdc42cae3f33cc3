using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>
/// What <c>quantization_config</c> says about FP8 weights. It is only checked for things that this engine cannot
/// multiply by: which tensors are FP8 and how they are scaled the tensors say themselves, and activations stay
/// float32 here, so how another engine would quantise them does not matter.
/// </summary>
/// <param name="Method"><c>quant_method</c>: <c>fp8</c> or <c>compressed-tensors</c>.</param>
/// <param name="PlainModules">
/// <c>modules_to_not_convert</c> of a file that this engine writes, for other programs; what a file that is read says
/// there does not matter here.
/// </param>
public sealed record QuantizationConfiguration(string Method, ImmutableArray<string> PlainModules)
{
    /// <summary>FP8 E4M3 with scales of 128 × 128 blocks, the kind that <see cref="CheckpointConverter"/> writes.</summary>
    /// <param name="plainModules">The matrices that are not FP8.</param>
    public static QuantizationConfiguration Blocks(IEnumerable<string> plainModules) => new("fp8", [.. plainModules]);

    internal static QuantizationConfiguration? Read(JsonFields config)
    {
        if (config.OptionalObject("quantization_config") is not { } fields)
            return null;
        string method = fields.Text("quant_method");
        switch (method)
        {
            case "fp8":
                ReadFp8(fields);
                break;
            case "compressed-tensors":
                ReadCompressedTensors(fields);
                break;
            default:
                throw new InvalidInputException($"{fields.Where} has quant_method = \"{method}\", but fp8 or compressed-tensors is expected.");
        }
        fields.RefuseUnknown();
        return new QuantizationConfiguration(method, []);
    }

    /// <summary>The object that <see cref="Read"/> and the reference read; FP8 with block scales is the only kind that is written.</summary>
    internal JsonObject ToJson() => new()
    {
        ["quant_method"] = "fp8",
        ["fmt"] = "e4m3",
        ["activation_scheme"] = "dynamic",
        ["weight_block_size"] = new JsonArray(WeightScales.BlockSize, WeightScales.BlockSize),
        ["modules_to_not_convert"] = new JsonArray([.. PlainModules.Select(name => JsonValue.Create(name))]),
    };

    private static void ReadFp8(JsonFields fields)
    {
        RequireText(fields, "fmt", "e4m3");
        RequireText(fields, "activation_scheme", "dynamic", "static");
        RequireBlock(fields, "weight_block_size");
        fields.Ignore("modules_to_not_convert", "ignored_layers", "scale_fmt");
        fields.RequireFalse("dequantize");
    }

    private static void ReadCompressedTensors(JsonFields fields)
    {
        RequireText(fields, "format", "float-quantized");
        RequireText(fields, "quantization_status", "compressed");
        fields.Ignore("ignore", "global_compression_ratio", "version");
        JsonFields groups = fields.OptionalObject("config_groups") ?? throw fields.Missing("config_groups");
        foreach (string name in groups.Names)
        {
            JsonFields group = groups.OptionalObject(name) ?? throw groups.Missing(name);
            RequireText(group, "format", "float-quantized");
            group.Ignore("targets", "input_activations");
            JsonFields weights = group.OptionalObject("weights") ?? throw group.Missing("weights");
            weights.Int("num_bits", 8, 8);
            RequireText(weights, "type", "float");
            RequireText(weights, "strategy", "tensor", "channel", "block");
            RequireBlock(weights, "block_structure");
            if (weights.OptionalBool("symmetric") == false)
                throw weights.Wrong("symmetric", "true");
            weights.Ignore("observer", "observer_kwargs", "scale_dtype", "zp_dtype");
            weights.RequireFalse("dynamic");
            weights.RefuseUnknown();
            group.RefuseUnknown();
        }
    }

    private static void RequireText(JsonFields fields, string name, params ReadOnlySpan<string> allowed)
    {
        if (fields.OptionalText(name) is { } text && !allowed.Contains(text))
            throw fields.Wrong(name, string.Join(" or ", allowed!));
    }

    private static void RequireBlock(JsonFields fields, string name)
    {
        if (fields.Element(name) is not { } element)
            return;
        bool right = element.ValueKind == JsonValueKind.Array && element.GetArrayLength() == 2;
        if (right)
            foreach (JsonElement side in element.EnumerateArray())
                right &= side.ValueKind == JsonValueKind.Number && side.TryGetInt32(out int size) && size == WeightScales.BlockSize;
        if (!right)
            throw fields.Wrong(name, $"[{WeightScales.BlockSize}, {WeightScales.BlockSize}]");
    }
}
