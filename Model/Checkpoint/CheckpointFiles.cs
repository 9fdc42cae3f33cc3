using System.Text.Encodings.Web;
using System.Text.Json;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

/// <summary>Finds and opens the safetensors files of a checkpoint: one file, or shards with an index.</summary>
internal static class CheckpointFiles
{
    public const string SingleName = "model.safetensors";
    public const string IndexName = "model.safetensors.index.json";

    /// <summary>Opens all files of <paramref name="folder"/>; the caller disposes of them.</summary>
    public static List<SafetensorsFile> Open(string folder)
    {
        if (!Directory.Exists(folder))
            throw new InvalidInputException($"The folder {folder} does not exist.");
        string single = Path.Combine(folder, SingleName), index = Path.Combine(folder, IndexName);
        // Like the reference: where both are there, the single file is the model.
        if (File.Exists(single))
            return [SafetensorsFile.Open(single)];
        if (!File.Exists(index))
            throw new InvalidInputException($"The folder {folder} has neither {SingleName} nor {IndexName}.");
        List<SafetensorsFile> files = [];
        try
        {
            OpenShards(folder, index, files);
            return files;
        }
        catch
        {
            files.ForEach(file => file.Dispose());
            throw;
        }
    }

    /// <summary>Writes the index of a checkpoint of several files.</summary>
    /// <param name="folder">The checkpoint.</param>
    /// <param name="totalBytes">The bytes of all tensors.</param>
    /// <param name="files">For every tensor the name of its file.</param>
    /// <exception cref="InvalidInputException">The disk is full or the file cannot be written.</exception>
    public static void WriteIndex(string folder, long totalBytes, IEnumerable<KeyValuePair<string, string>> files)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream, new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteStartObject("metadata");
            json.WriteNumber("total_size", totalBytes);
            json.WriteEndObject();
            json.WriteStartObject("weight_map");
            foreach ((string tensor, string file) in files.OrderBy(pair => pair.Key, StringComparer.Ordinal))
                json.WriteString(tensor, file);
            json.WriteEndObject();
            json.WriteEndObject();
        }
        using AtomicFile index = new(Path.Combine(folder, IndexName), stream.Length);
        index.Write(stream.GetBuffer().AsSpan(0, (int)stream.Length));
        index.Commit();
    }

    private static void OpenShards(string folder, string index, List<SafetensorsFile> files)
    {
        Dictionary<string, string> map = ReadIndex(index);
        Dictionary<string, SafetensorsFile> byName = new(StringComparer.Ordinal);
        foreach (string shard in map.Values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
        {
            RefuseEscape(shard, index);
            string path = Path.Combine(folder, shard);
            if (!File.Exists(path))
                throw new InvalidInputException($"{index} names the file {shard}, which is not in the folder.");
            SafetensorsFile file = SafetensorsFile.Open(path);
            files.Add(file);
            byName.Add(shard, file);
        }
        foreach ((string tensor, string shard) in map)
            if (!byName[shard].TryFind(tensor, out _))
                throw new InvalidInputException($"{index} says that {shard} has tensor \"{tensor}\", but it has not.");
        foreach ((string shard, SafetensorsFile file) in byName)
            foreach (SafetensorsTensor tensor in file.Tensors)
                if (!map.TryGetValue(tensor.Name, out string? owner) || owner != shard)
                    throw new InvalidInputException(
                        $"{shard} has tensor \"{tensor.Name}\", but {index} {(owner is null ? "does not list it" : $"places it in {owner}")}.");
    }

    private static Dictionary<string, string> ReadIndex(string index)
    {
        using JsonDocument document = StrictJson.Read(index);
        JsonFields fields = new(document.RootElement, index);
        if (fields.Element("weight_map") is not { } element)
            throw fields.Missing("weight_map");
        JsonFields weights = new(element, $"{index}, weight_map");
        Dictionary<string, string> map = new(StringComparer.Ordinal);
        foreach (string name in weights.Names)
            map.Add(name, weights.Text(name));
        if (map.Count == 0)
            throw fields.Wrong("weight_map", "at least one tensor");
        return map;
    }

    /// <summary>A shard must be a plain file name: no folder, no drive, no parent.</summary>
    private static void RefuseEscape(string shard, string index)
    {
        if (shard.Length == 0 || shard is "." or ".." || shard.AsSpan().IndexOfAny("/\\:\0") >= 0)
            throw new InvalidInputException($"{index} names \"{shard}\" as a file, but a file name within its folder is expected.");
    }
}
