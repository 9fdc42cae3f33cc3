using System.Text.Json.Nodes;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>
/// A checkpoint whose trunk is that of another one, byte for byte and in its format, with an MTP head in float32 beside it:
/// the other's files get a second name (or are copied where the file system has no hard links), and the index tells which
/// file has what.
/// </summary>
internal static unsafe class FrozenTrunk
{
    /// <summary>The file of the head.</summary>
    public const string HeadFile = "mtp.safetensors";

    // What was the only file cannot keep its name: readers take it for the whole model.
    private const string OnlyFile = "trunk.safetensors";
    private const int Piece = 1 << 28;

    /// <summary>Writes the weights of a checkpoint.</summary>
    /// <param name="folder">Its folder.</param>
    /// <param name="source">The checkpoint with the trunk; an MTP head that it has is left out.</param>
    /// <param name="head">The tensors of the MTP head.</param>
    /// <exception cref="InvalidInputException">The source is no longer there, or the disk is full.</exception>
    public static void Write(string folder, string source, IReadOnlyCollection<NamedTensor> head)
    {
        Dictionary<string, string> files = head.ToDictionary(tensor => tensor.Name, _ => HeadFile);
        long total = head.Sum(tensor => tensor.Tensor.ByteLength);
        using (Checkpoint checkpoint = Checkpoint.Open(source))
        {
            foreach (IGrouping<SafetensorsFile, CheckpointTensor> file in checkpoint.Tensors.GroupBy(tensor => tensor.File))
            {
                CheckpointTensor[] trunk = [.. file.Where(tensor => !ModelConfiguration.IsMtp(tensor.Name)).OrderBy(tensor => tensor.Stored.Offset)];
                if (trunk.Length == 0)
                    continue;
                string name = Path.GetFileName(file.Key.Path), target;
                name = name is CheckpointFiles.SingleName or HeadFile ? OnlyFile : name;
                target = Path.Combine(folder, name);
                if (trunk.Length == file.Key.Tensors.Count)
                    LinkOrCopy(file.Key.Path, target);
                else
                    WriteFile(target, [.. trunk.Select(tensor => (tensor.Stored.Name, tensor.File.OpenTensor(tensor.Stored)))]);
                foreach (CheckpointTensor tensor in trunk)
                    files.Add(tensor.Stored.Name, name);
                total += trunk.Sum(tensor => tensor.Stored.ByteLength);
            }
        }
        WriteFile(Path.Combine(folder, HeadFile), [.. head.Select(tensor => (tensor.Name, tensor.Tensor))], owned: false);
        CheckpointFiles.WriteIndex(folder, total, files);
    }

    /// <summary>
    /// The text of config.json: what it says about FP8 weights is the source's, which lists the head's matrices as plain.
    /// </summary>
    /// <param name="configuration">The shape.</param>
    /// <param name="source">The checkpoint with the trunk.</param>
    public static string Configuration(ModelConfiguration configuration, string source)
    {
        JsonObject json = JsonNode.Parse(configuration.ToJson())!.AsObject();
        if (configuration.Quantization is { } quantization)
        {
            JsonObject stated = JsonNode.Parse(File.ReadAllBytes(Path.Combine(source, "config.json")))!["quantization_config"]!.DeepClone().AsObject();
            string key = quantization.Method == "compressed-tensors" ? "ignore"
                : stated["ignored_layers"] is JsonArray ? "ignored_layers" : "modules_to_not_convert";
            JsonArray plain = stated[key] as JsonArray ?? [];
            HashSet<string> known = [.. plain.Select(module => module!.ToString())];
            foreach (ExpectedTensor tensor in configuration.MtpTensors().Where(tensor => tensor.Shape.Rank == 2))
                if (known.Add(tensor.Name[..^".weight".Length]))
                    plain.Add(tensor.Name[..^".weight".Length]);
            stated[key] = plain.Parent is null ? plain : plain.DeepClone();
            json["quantization_config"] = stated;
        }
        return json.ToJsonString(new System.Text.Json.JsonSerializerOptions { WriteIndented = true }) + "\n";
    }

    private static void LinkOrCopy(string source, string target)
    {
        if (HardLink.TryCreate(source, target))
            return;
        File.Copy(source, target);
        using FileStream copy = new(target, FileMode.Open, FileAccess.ReadWrite);
        copy.Flush(flushToDisk: true);
    }

    private static void WriteFile(string path, (string Name, Tensor Tensor)[] tensors, bool owned = true)
    {
        try
        {
            using SafetensorsWriter writer = new(path, [.. tensors.Select(entry => new TensorDeclaration(entry.Name, entry.Tensor.Type, entry.Tensor.Shape))]);
            foreach ((string name, Tensor tensor) in tensors)
                for (long begin = 0; begin < tensor.ByteLength; begin += Piece)
                    writer.Write(name, new ReadOnlySpan<byte>(tensor.Data + begin, (int)Math.Min(Piece, tensor.ByteLength - begin)));
            writer.Complete();
        }
        finally
        {
            foreach ((_, Tensor tensor) in tensors)
                if (owned)
                    tensor.Dispose();
        }
    }
}
