using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>
/// Writes the checkpoints of a run: the released layout with float32 weights (<see cref="FrozenTrunk"/> where only the MTP head is trained), the optimizer's state and that of the run. A folder is
/// filled under a temporary name, every file of it is flushed to the disk, and then it is renamed: what has its name is whole.
/// </summary>
internal static unsafe class RunCheckpoint
{
    private const string OptimizerName = "optimizer.safetensors";
    private const string Partial = ".partial";
    private const int Piece = 1 << 28;
    private static readonly string[] s_tokenizerFiles =
        ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja", "chat_template.json"];

    /// <summary>The optimizer's state in a checkpoint.</summary>
    public static string OptimizerFile(string folder) => Path.Combine(folder, OptimizerName);

    /// <summary>Where a folder goes while another takes its place.</summary>
    public static string Replaced(string folder) => folder + ".replaced";

    /// <summary>The place of the folder that is going to take another's.</summary>
    public static string Next(string folder) => folder + ".next";

    /// <summary>Writes a checkpoint.</summary>
    /// <param name="target">Its folder, which does not exist.</param>
    /// <param name="configuration">The model's shape.</param>
    /// <param name="weights">The weights that are trained, by their names.</param>
    /// <param name="trunk">The checkpoint that has all others; null where all are trained.</param>
    /// <param name="optimizer">Its state; null leaves it out.</param>
    /// <param name="state">The state of the run.</param>
    /// <param name="tokenizer">The folder of the tokenizer.</param>
    /// <exception cref="InvalidInputException">The disk is full or cannot be written; nothing is left.</exception>
    public static void Write(
        string target, ModelConfiguration configuration, IReadOnlyCollection<NamedTensor> weights, string? trunk, TrainingOptimizer? optimizer,
        TrainingState state, string tokenizer)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            using StagedFolder folder = new(target);
            if (trunk is null)
                WriteWeights(folder.Path, weights);
            else
                FrozenTrunk.Write(folder.Path, trunk, weights);
            optimizer?.Save(OptimizerFile(folder.Path));
            WriteFile(Path.Combine(folder.Path, "config.json"), Encoding.UTF8.GetBytes(trunk is null ? configuration.ToJson() : FrozenTrunk.Configuration(configuration, trunk)));
            WriteFile(Path.Combine(folder.Path, "generation_config.json"), GenerationConfiguration(configuration));
            CopyTokenizer(tokenizer, folder.Path);
            WriteFile(Path.Combine(folder.Path, TrainingState.FileName), state.ToJson());
            folder.Commit();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"The checkpoint {target} cannot be written: {e.Message.TrimEnd('.')}.", e);
        }
    }

    /// <summary>Writes a checkpoint and lets it take the place of one of the same name, which stays until the new one is whole.</summary>
    public static void Replace(string target, Action<string> write)
    {
        string next = Next(target), old = Replaced(target);
        write(next);
        try
        {
            Delete(old);
            if (Directory.Exists(target))
                Directory.Move(target, old);
            Directory.Move(next, target);
            Delete(old);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"The checkpoint {target} cannot be replaced: {e.Message.TrimEnd('.')}.", e);
        }
    }

    /// <summary>Removes what a process left that was killed while it wrote or removed checkpoints.</summary>
    public static void RemoveLeftovers(string checkpoints, string replaceable)
    {
        if (!Directory.Exists(checkpoints))
            return;
        if (!Directory.Exists(replaceable) && Directory.Exists(Replaced(replaceable)))
            Directory.Move(Replaced(replaceable), replaceable);
        foreach (string folder in Directory.GetDirectories(checkpoints))
            if (folder.EndsWith(Partial, StringComparison.Ordinal) || folder == Replaced(replaceable) || folder == Next(replaceable))
                Directory.Delete(folder, recursive: true);
    }

    /// <summary>Removes a checkpoint; a half of one never has its name.</summary>
    public static void Delete(string folder)
    {
        string doomed = folder + Partial;
        try
        {
            if (Directory.Exists(doomed))
                Directory.Delete(doomed, recursive: true);
            if (!Directory.Exists(folder))
                return;
            Directory.Move(folder, doomed);
            Directory.Delete(doomed, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"The checkpoint {folder} cannot be removed: {e.Message.TrimEnd('.')}.", e);
        }
    }

    /// <summary>Copies the files of a tokenizer.</summary>
    public static void CopyTokenizer(string source, string target)
    {
        foreach (string name in s_tokenizerFiles)
            if (File.Exists(Path.Combine(source, name)))
                WriteFile(Path.Combine(target, name), File.ReadAllBytes(Path.Combine(source, name)));
    }

    /// <summary>Writes a small file, flushed and under its name only when it is whole.</summary>
    public static void WriteFile(string path, ReadOnlySpan<byte> content)
    {
        using AtomicFile file = new(path, content.Length);
        file.Write(content);
        file.Commit();
    }

    private static void WriteWeights(string folder, IReadOnlyCollection<NamedTensor> weights)
    {
        using CheckpointWriter writer = new(folder, [.. weights.Select(weight => new TensorDeclaration(weight.Name, weight.Tensor.Type, weight.Tensor.Shape))]);
        foreach ((string name, Tensor tensor) in weights)
            for (long begin = 0; begin < tensor.ByteLength; begin += Piece)
                writer.Write(name, new ReadOnlySpan<byte>(tensor.Data + begin, (int)Math.Min(Piece, tensor.ByteLength - begin)));
        writer.Complete();
    }

    private static byte[] GenerationConfiguration(ModelConfiguration configuration)
    {
        JsonObject json = [];
        if (configuration.BosTokenId is { } begin)
            json["bos_token_id"] = begin;
        if (configuration.EosTokenIds.Length == 1)
            json["eos_token_id"] = configuration.EosTokenIds[0];
        else if (configuration.EosTokenIds.Length > 1)
            json["eos_token_id"] = new JsonArray([.. configuration.EosTokenIds.Select(id => JsonValue.Create(id))]);
        return Encoding.UTF8.GetBytes(json.ToJsonString(new JsonSerializerOptions { WriteIndented = true }) + "\n");
    }
}
