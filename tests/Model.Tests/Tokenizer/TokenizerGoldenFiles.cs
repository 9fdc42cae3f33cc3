using System.Text;
using System.Text.Json;
using Mellum2.Managed.Tests;
using Xunit;

namespace Mellum2.Managed.Model.Tests;

/// <summary>The tokenizer goldens: one folder for each tokenizer, one JSON object on each line of a .jsonl file.</summary>
internal static class TokenizerGoldenFiles
{
    /// <summary>The names of the folders that hold a given file.</summary>
    public static TheoryData<string> FoldersWith(string file)
    {
        var folders = new TheoryData<string>();
        foreach (string folder in Directory.GetDirectories(GoldenFolder.Find("tokenizer")).Order(StringComparer.Ordinal))
        {
            if (File.Exists(Path.Combine(folder, file)))
                folders.Add(Path.GetFileName(folder));
        }
        return folders;
    }

    /// <summary>The tokenizer of a folder.</summary>
    public static Tokenizer Load(string folder) => Tokenizer.Load(GoldenFolder.Find("tokenizer", folder, "tokenizer.json"));

    /// <summary>The lines of a file. Strings hold raw U+0085 and U+2028, so only \n ends a line.</summary>
    public static IEnumerable<JsonElement> Lines(string folder, string file) =>
        File.ReadAllText(GoldenFolder.Find("tokenizer", folder, file), Encoding.UTF8)
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonDocument.Parse(line).RootElement);

    /// <summary>A member that holds ids.</summary>
    public static int[] Ids(this JsonElement line, string name) =>
        [.. line.GetProperty(name).EnumerateArray().Select(id => id.GetInt32())];

    /// <summary>A member that holds text.</summary>
    public static string Text(this JsonElement line, string name) => line.GetProperty(name).GetString()!;
}
