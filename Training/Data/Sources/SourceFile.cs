using System.IO.Compression;
using Mellum2.Managed.Engine;
using ZstdSharp;

namespace Mellum2.Managed.Training;

/// <summary>A file of a corpus. Its name tells what it holds: <c>.jsonl</c> and <c>.ndjson</c> one document a line, all others one document; <c>.gz</c> and <c>.zst</c> behind that are compressed.</summary>
/// <param name="Path">Where it is.</param>
/// <param name="ByteLength">Its size on the disk.</param>
public sealed record SourceFile(string Path, long ByteLength)
{
    private static readonly string[] s_compressions = [".gz", ".zst"];
    private static readonly string[] s_lines = [".jsonl", ".ndjson"];

    /// <summary>Whether each line is a JSON object.</summary>
    public bool IsJsonLines => s_lines.Contains(ContentExtension(Path), StringComparer.OrdinalIgnoreCase);

    /// <summary>The files of paths, in an order that does not depend on the file system: paths as given, files of a folder by name (ordinal).</summary>
    /// <param name="paths">Files and folders. Folders are searched through; names that begin with a dot and links are left out.</param>
    /// <param name="options">Which files of folders are taken.</param>
    /// <exception cref="InvalidInputException">A path does not exist, or a folder has no such file.</exception>
    public static IReadOnlyList<SourceFile> List(IReadOnlyList<string> paths, SourceOptions options)
    {
        string[] extensions = [.. options.Extensions.Select(extension => "." + extension.TrimStart('*').TrimStart('.'))];
        List<SourceFile> files = [];
        foreach (string path in paths)
        {
            try
            {
                if (File.Exists(path))
                    files.Add(new SourceFile(path, new FileInfo(path).Length));
                else if (Directory.Exists(path))
                    AddFolder(files, path, extensions);
                else
                    throw new InvalidInputException($"{path} is neither a file nor a folder.");
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new InvalidInputException($"{path} cannot be searched for files: {e.Message}", e);
            }
        }
        return files;
    }

    /// <summary>
    /// Opens the content, uncompressed. That a gzip file is cut shows only in a program whose runtime setting
    /// <c>System.IO.Compression.UseStrictValidation</c> is true, as it is in <c>mellum2</c>.
    /// </summary>
    internal Stream Open()
    {
        FileStream stream = new(Path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, FileOptions.SequentialScan);
        return System.IO.Path.GetExtension(Path).ToUpperInvariant() switch
        {
            ".GZ" => new GZipStream(stream, CompressionMode.Decompress),
            ".ZST" => new DecompressionStream(stream, leaveOpen: false),
            _ => stream,
        };
    }

    /// <summary>The sentence for a file that cannot be read to its end.</summary>
    internal InvalidInputException Unreadable(Exception e) => new(
        e is InvalidDataException or ZstdException or EndOfStreamException
            ? $"{Path} is damaged: it cannot be uncompressed to its end."
            : $"The file {Path} cannot be read: {e.Message}", e);

    /// <summary>Whether an exception says that a file cannot be read.</summary>
    internal static bool IsReadError(Exception e) =>
        e is IOException or UnauthorizedAccessException or InvalidDataException or ZstdException or EndOfStreamException;

    private static void AddFolder(List<SourceFile> files, string folder, string[] extensions)
    {
        EnumerationOptions walk = new()
        {
            RecurseSubdirectories = true,
            AttributesToSkip = FileAttributes.ReparsePoint,
            IgnoreInaccessible = false,
        };
        List<(string Name, FileInfo File)> found = [];
        foreach (FileInfo file in new DirectoryInfo(folder).EnumerateFiles("*", walk))
        {
            string name = System.IO.Path.GetRelativePath(folder, file.FullName).Replace('\\', '/');
            bool isHidden = name.StartsWith('.') || name.Contains("/.", StringComparison.Ordinal);
            if (!isHidden && (extensions.Length == 0 || extensions.Contains(ContentExtension(name), StringComparer.OrdinalIgnoreCase)))
                found.Add((name, file));
        }
        if (found.Count == 0)
        {
            string kind = extensions.Length == 0 ? "file" : $"file that ends in {string.Join(" or ", extensions)}";
            throw new InvalidInputException($"The folder {folder} has no {kind}; at least one is expected.");
        }
        found.Sort((a, b) => string.CompareOrdinal(a.Name, b.Name));
        files.AddRange(found.Select(pair => new SourceFile(System.IO.Path.Combine(folder, pair.Name), pair.File.Length)));
    }

    private static string ContentExtension(string path)
    {
        string extension = System.IO.Path.GetExtension(path);
        return s_compressions.Contains(extension, StringComparer.OrdinalIgnoreCase)
            ? System.IO.Path.GetExtension(System.IO.Path.GetFileNameWithoutExtension(path))
            : extension;
    }
}
