using System.Text.Json;
using System.Text.RegularExpressions;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Bench;

/// <summary>One project of <c>corpus.json</c>: where its sources lie and which of them are taken.</summary>
/// <param name="Name">The name of its file of documents.</param>
/// <param name="Package">The package that carries it, with version.</param>
/// <param name="Licence">MIT or Apache-2.0.</param>
/// <param name="Folder">The folder below the sources.</param>
/// <param name="Include">A path below the folder has to match it; any, if left out.</param>
/// <param name="Exclude">A path below the folder must not match it.</param>
/// <param name="HeldOutBytes">Above zero: the project is no training text; files of this many bytes are held out.</param>
public sealed record CorpusProject(
    string Name, string Package, string Licence, string Folder, string? Include, string? Exclude, int HeldOutBytes)
{
    private static readonly JsonSerializerOptions s_options = new(JsonSerializerDefaults.Web);

    /// <summary>Reads the list of projects.</summary>
    /// <exception cref="InvalidInputException">The file is not such a list.</exception>
    public static CorpusProject[] ReadAll(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<CorpusProject[]>(File.ReadAllText(path), s_options)
                ?? throw new InvalidInputException($"{path} holds null, expected a list of projects.");
        }
        catch (JsonException e)
        {
            throw new InvalidInputException($"{path} is no list of projects: {e.Message}");
        }
    }

    /// <summary>The project's files in ordinal order of their paths below its folder.</summary>
    public IEnumerable<(string Relative, string Full)> Files(string sources)
    {
        string root = Path.Combine(sources, Folder);
        if (!Directory.Exists(root))
            throw new InvalidInputException($"{root} does not exist, expected the sources of {Package}.");
        return Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories)
            .Select(full => (Relative: Path.GetRelativePath(root, full).Replace('\\', '/'), Full: full))
            .Where(file => (Include is null || Regex.IsMatch(file.Relative, Include)) && (Exclude is null || !Regex.IsMatch(file.Relative, Exclude)))
            .OrderBy(file => file.Relative, StringComparer.Ordinal);
    }
}
