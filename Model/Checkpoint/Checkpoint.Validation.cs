using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

public sealed partial class Checkpoint
{
    /// <summary>
    /// Whether the model is to run with an MTP head: its tensors are there, all of them, and the configuration does not
    /// say <c>num_nextn_predict_layers</c> 0.
    /// </summary>
    /// <exception cref="InvalidInputException">A part of the head is there and another part is missing.</exception>
    public bool HasMtp(ModelConfiguration configuration)
    {
        if (!HasAnyMtpTensor)
            return false;
        foreach (ExpectedTensor expected in configuration.MtpTensors())
            if (!_tensors.ContainsKey(expected.Name))
                throw new InvalidInputException($"The checkpoint {Folder} has a part of an MTP head, but lacks tensor \"{expected.Name}\".");
        return configuration.MtpLayerCount != 0;
    }

    /// <summary>
    /// Checks that every tensor that the configuration asks for is there with the right shape and a format that this
    /// engine computes with, and that there is no tensor that nobody asks for.
    /// </summary>
    /// <returns>Whether the model is to run with an MTP head, as <see cref="HasMtp"/> tells.</returns>
    /// <exception cref="InvalidInputException">Names the first tensor that is missing, wrong or unknown.</exception>
    public bool Validate(ModelConfiguration configuration)
    {
        if (_foreignMtpLayer is { } layer && layer != configuration.LayerCount)
            throw new InvalidInputException(
                $"The checkpoint {Folder} has an MTP head as layer {layer}, but behind {configuration.LayerCount} layers it is expected as layer {configuration.LayerCount}.");
        HashSet<string> known = new(StringComparer.Ordinal);
        foreach (ExpectedTensor expected in configuration.TrunkTensors())
            Check(expected, known);
        bool hasMtp = HasMtp(configuration);
        if (HasAnyMtpTensor)
            foreach (ExpectedTensor expected in configuration.MtpTensors())
                Check(expected, known);
        if (hasMtp)
            RequireMtpSettings(configuration);
        foreach (CheckpointTensor tensor in Tensors)
            if (!known.Contains(tensor.Name) && !IsHarmless(tensor.Name, configuration))
                throw new InvalidInputException($"{tensor.File.Path} has tensor \"{tensor.Stored.Name}\", which this model has no place for.");
        return hasMtp;
    }

    private void Check(ExpectedTensor expected, HashSet<string> known)
    {
        CheckpointTensor tensor = Find(expected.Name);
        known.Add(expected.Name);
        if (expected.Shape.Rank == 1)
        {
            RequireVector(tensor, expected.Shape);
            return;
        }
        RequireMatrix(tensor, expected.Shape);
        if (FindScales(tensor, expected.Shape.Rows, expected.Shape.Columns) is { } scales)
            known.Add(scales.Tensor.Name);
    }

    /// <summary>A head that the configuration does not mention takes its settings from the trunk, which must have them.</summary>
    private void RequireMtpSettings(ModelConfiguration configuration)
    {
        _ = configuration.Rope(configuration.MtpLayerType);
        bool isReady = configuration.MtpLayerType == AttentionKind.Full || configuration.SlidingWindow > 0;
        isReady &= configuration.MtpMlpLayerType == MlpKind.Dense ? configuration.IntermediateSize > 0 : configuration.ExpertCount > 0;
        if (!isReady)
            throw new InvalidInputException($"The checkpoint {Folder} has an MTP head whose sizes its config.json does not state.");
    }

    /// <summary>
    /// Buffers that other programs store and that hold nothing a forward pass needs: frequencies of rotary embeddings,
    /// scales for quantised activations (float32 here), and the copy of a tied output head.
    /// </summary>
    private static bool IsHarmless(string name, ModelConfiguration configuration) =>
        name.EndsWith("rotary_emb.inv_freq", StringComparison.Ordinal)
        || name.EndsWith(".input_scale", StringComparison.Ordinal)
        || (configuration.TieWordEmbeddings && name == "lm_head.weight");

    private static void RequireVector(CheckpointTensor tensor, Shape shape)
    {
        RequireShape(tensor, shape);
        if (tensor.Stored.Format is not ("F32" or "BF16" or "F16"))
            throw WrongFormat(tensor, "F32, BF16 or F16");
    }

    private static void RequireMatrix(CheckpointTensor tensor, Shape shape)
    {
        RequireShape(tensor, shape);
        if (tensor.Stored.Format is not ("F64" or "F32" or "BF16" or "F16" or "F8_E4M3" or "F8_E5M2"))
            throw WrongFormat(tensor, "F64, F32, BF16, F16, F8_E4M3 or F8_E5M2");
    }

    private static void RequireShape(CheckpointTensor tensor, Shape shape)
    {
        if (!tensor.Stored.HasShape(shape))
            throw new InvalidInputException($"{tensor.File.Path} has tensor \"{tensor.Stored.Name}\" of shape {tensor.Stored.ShapeText}, but {shape} is expected.");
    }

    private static InvalidInputException WrongFormat(CheckpointTensor tensor, string expected) =>
        new($"{tensor.File.Path} has tensor \"{tensor.Stored.Name}\" in the format {tensor.Stored.Format}, but {expected} is expected.");

    /// <summary>The scales that belong to a matrix: <c>X.weight_scale</c> or <c>X.weight_scale_inv</c>, both of which multiply.</summary>
    private (CheckpointTensor Tensor, ScaleKind Kind)? FindScales(CheckpointTensor weights, int rows, int columns)
    {
        bool isScaled = TryFind(weights.Name + "_scale", out CheckpointTensor? plain);
        bool isInverse = TryFind(weights.Name + "_scale_inv", out CheckpointTensor? inverse);
        if (isScaled && isInverse)
            throw new InvalidInputException($"The checkpoint {Folder} has both \"{plain!.Name}\" and \"{inverse!.Name}\", but one scale tensor is expected.");
        if ((plain ?? inverse) is not { } scale)
            return null;
        if (weights.Stored.Format is not ("F8_E4M3" or "F8_E5M2"))
            throw new InvalidInputException(
                $"{scale.File.Path} has scales \"{scale.Stored.Name}\" for \"{weights.Name}\", whose format {weights.Stored.Format} has none.");
        if (scale.Stored.Format is not ("F32" or "BF16"))
            throw WrongFormat(scale, "F32 or BF16");
        if (scale.Stored.Count == 1)
            return (scale, ScaleKind.Tensor);
        Shape row = new(rows, 1), block = new(Blocks(rows), Blocks(columns));
        if (scale.Stored.HasShape(row) || scale.Stored.HasShape(new Shape(rows)))
            return (scale, ScaleKind.Row);
        if (scale.Stored.HasShape(block))
            return (scale, ScaleKind.Block);
        throw new InvalidInputException(
            $"{scale.File.Path} has scales \"{scale.Stored.Name}\" of shape {scale.Stored.ShapeText}, but [1], {row} or {block} is expected.");
    }
}
