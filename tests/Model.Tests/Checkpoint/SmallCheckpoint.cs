using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model.Tests;

/// <summary>A checkpoint of the released pattern in a small size, with random weights.</summary>
internal static class SmallCheckpoint
{
    /// <summary>Four layers and an MTP head; sizes beside 128, so that blocks of scales are cut at the edges.</summary>
    public static ModelConfiguration Configuration { get; } = ModelConfiguration.Named("mellum2-12b").WithLayers(4) with
    {
        VocabularySize = 150,
        HiddenSize = 136,
        HeadCount = 4,
        KeyValueHeadCount = 2,
        HeadSize = 16,
        IntermediateSize = 140,
        ExpertSize = 24,
        ExpertCount = 4,
        ExpertsPerToken = 2,
        MtpLayerCount = 1,
        StoredType = DType.F32,
    };

    /// <summary>The declarations of all tensors in F32.</summary>
    public static List<TensorDeclaration> Declarations(ModelConfiguration configuration) =>
        [.. configuration.ExpectedTensors(configuration.MtpLayerCount == 1).Select(tensor => new TensorDeclaration(tensor.Name, DType.F32, tensor.Shape))];

    /// <summary>Writes random weights and config.json.</summary>
    /// <param name="folder">An empty folder.</param>
    /// <param name="configuration">The shape.</param>
    /// <param name="rename">Other names for the tensors.</param>
    public static void Write(string folder, ModelConfiguration configuration, Func<string, string>? rename = null)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), configuration.ToJson());
        List<TensorDeclaration> tensors = Declarations(configuration);
        Random random = new(1);
        using CheckpointWriter writer = new(folder, [.. tensors.Select(tensor => tensor with { Name = rename?.Invoke(tensor.Name) ?? tensor.Name })]);
        foreach (TensorDeclaration tensor in tensors)
            for (long i = 0; i < tensor.Shape.Count; i++)
                writer.Write(rename?.Invoke(tensor.Name) ?? tensor.Name, BitConverter.GetBytes((random.NextSingle() - 0.5f) * MathF.Pow(2, random.Next(-12, 3))));
        writer.Complete();
    }
}
