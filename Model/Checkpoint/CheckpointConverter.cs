using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

/// <summary>What <see cref="CheckpointConverter"/> is to write.</summary>
/// <param name="Target">F32, BF16, F16, or F8E4M3: FP8 with scales of 128 × 128 blocks.</param>
/// <param name="Fp8Head">For FP8: whether the output head is FP8 too; else it stays BF16.</param>
/// <param name="ShardBytes">The size at which a new file begins.</param>
public sealed record ConversionOptions(DType Target, bool Fp8Head = false, long ShardBytes = CheckpointWriter.DefaultShardBytes);

/// <summary>How far a conversion is.</summary>
/// <param name="BytesDone">The bytes of the source that are converted.</param>
/// <param name="BytesTotal">All bytes of the source that will be.</param>
public readonly record struct ConversionProgress(long BytesDone, long BytesTotal);

/// <summary>
/// Writes a checkpoint in another number format. It goes from tensor to tensor in blocks of rows, so that it needs a few
/// megabytes whatever the model's size.
/// </summary>
public static class CheckpointConverter
{
    private static readonly string[] s_copied =
    [
        "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
        "vocab.json", "merges.txt", "chat_template.jinja", "chat_template.json", "LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE",
    ];

    /// <summary>
    /// Converts the checkpoint in <paramref name="source"/> into the new folder <paramref name="target"/>, with its
    /// config.json, its tokenizer and its other small files. The folder appears when everything is written; a
    /// conversion that fails or is cancelled leaves nothing.
    /// </summary>
    /// <param name="source">The folder of the checkpoint.</param>
    /// <param name="target">A folder that does not exist yet or is empty.</param>
    /// <param name="options">The format and the size of files.</param>
    /// <param name="progress">Is told how far the conversion is, about once per tensor.</param>
    /// <param name="cancellation">Ends the conversion.</param>
    /// <exception cref="InvalidInputException">
    /// The checkpoint is not valid, the target has files in it, the disk is full, or a weight does not fit into the format.
    /// </exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellation"/> was signalled.</exception>
    public static void Convert(
        string source, string target, ConversionOptions options, IProgress<ConversionProgress>? progress = null, CancellationToken cancellation = default)
    {
        if (options.Target is not (DType.F32 or DType.BF16 or DType.F16 or DType.F8E4M3))
            throw new InvalidInputException($"A checkpoint cannot be converted to {options.Target.Name()}; F32, BF16, F16 or F8_E4M3 is expected.");
        ModelConfiguration configuration = ModelConfiguration.Load(source);
        using Checkpoint checkpoint = Checkpoint.Open(source);
        bool hasMtp = checkpoint.Validate(configuration);
        (ExpectedTensor Tensor, DType Type)[] plan =
            [.. configuration.ExpectedTensors(hasMtp).Select(tensor => (tensor, TypeOf(tensor, options)))];

        using StagedFolder folder = new(target);
        using (CheckpointWriter writer = new(folder.Path, [.. plan.SelectMany(entry => Declare(entry.Tensor, entry.Type))], options.ShardBytes))
        {
            long total = plan.Sum(entry => checkpoint.Find(entry.Tensor.Name).Stored.ByteLength), done = 0;
            TensorConverter converter = new(checkpoint, writer, cancellation);
            foreach ((ExpectedTensor tensor, DType type) in plan)
            {
                converter.Convert(tensor, type);
                done += checkpoint.Find(tensor.Name).Stored.ByteLength;
                progress?.Report(new ConversionProgress(done, total));
            }
            writer.Complete();
        }
        bool isFp8 = options.Target == DType.F8E4M3;
        ModelConfiguration converted = configuration with
        {
            StoredType = isFp8 ? DType.BF16 : options.Target,
            Quantization = isFp8 ? QuantizationConfiguration.Blocks(UnconvertedModules(plan)) : null,
            MtpLayerCount = hasMtp ? 1 : configuration.MtpLayerCount,
        };
        WriteSmallFiles(source, folder.Path, converted);
        cancellation.ThrowIfCancellationRequested();
        folder.Commit();
    }

    /// <summary>
    /// FP8 is for the projections and experts: embedding, router and norms are small or sensitive and stay BF16.
    /// </summary>
    private static DType TypeOf(ExpectedTensor tensor, ConversionOptions options)
    {
        if (options.Target != DType.F8E4M3)
            return options.Target;
        bool isScaled = tensor.Name == "lm_head.weight"
            ? options.Fp8Head
            : tensor.Name.EndsWith("_proj.weight", StringComparison.Ordinal) || tensor.Name == "mtp.fc.weight";
        return isScaled ? DType.F8E4M3 : DType.BF16;
    }

    private static IEnumerable<TensorDeclaration> Declare(ExpectedTensor tensor, DType type)
    {
        yield return new TensorDeclaration(tensor.Name, type, tensor.Shape);
        if (type == DType.F8E4M3)
            yield return new TensorDeclaration(TensorConverter.ScaleName(tensor.Name), DType.F32, TensorConverter.ScaleShape(tensor.Shape));
    }

    private static string[] UnconvertedModules((ExpectedTensor Tensor, DType Type)[] plan) =>
    [
        .. plan.Where(entry => entry.Type != DType.F8E4M3 && entry.Tensor.Shape.Rank == 2)
            .Select(entry => entry.Tensor.Name[..^".weight".Length]),
    ];

    private static void WriteSmallFiles(string source, string folder, ModelConfiguration configuration)
    {
        try
        {
            File.WriteAllText(Path.Combine(folder, "config.json"), configuration.ToJson());
            foreach (string name in s_copied)
            {
                string path = Path.Combine(source, name);
                if (File.Exists(path))
                    File.Copy(path, Path.Combine(folder, name));
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"The small files of the checkpoint cannot be written to {folder}: {e.Message}", e);
        }
    }
}
