using System.IO.Hashing;
using System.Text;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Training;

namespace Mellum2.Managed.Cli;

/// <summary>
/// The source files of a folder that are worth learning from, divided into those to train on and those that are held out. Which
/// ones depends on their names alone.
/// </summary>
/// <param name="Training">The files to train on.</param>
/// <param name="HeldOut">A tenth of the files; empty where there are too few.</param>
/// <param name="LeftOut">How many files were left out: no text, data, generated, or too large.</param>
internal sealed record DemoCorpus(IReadOnlyList<SourceFile> Training, IReadOnlyList<SourceFile> HeldOut, int LeftOut)
{
    /// <summary>The fewest bytes of text that a demonstration makes sense with.</summary>
    public const long LeastBytes = 32_000;

    private const long MostBytes = 32L << 20;
    private const long MostFileBytes = 512 << 10;
    private const int HeldOutOneIn = 10;
    private const int LeastFilesToDivide = 5;

    // Sources have lines; what has much longer ones was written by a program.
    private const int MostBytesPerLine = 250;

    private static readonly HashSet<string> s_folders = new(StringComparer.OrdinalIgnoreCase)
    {
        "bin", "obj", "node_modules", "target", "build", "dist", "out", "vendor", "third_party", "packages", "__pycache__", "venv", "site-packages", "artifacts",
    };

    private static readonly string[] s_endings =
    [
        ".jsonl", ".ndjson", ".gz", ".zst", ".json", ".csv", ".tsv", ".svg", ".lock", ".map", ".sum", ".ipynb", ".log", ".snap", ".patch", ".resx", ".po",
        ".min.js", ".min.css", ".pem", ".safetensors", ".tokens", ".g.cs", ".designer.cs", ".bundle.js", ".partial",
    ];

    /// <summary>The bytes of all files that are used.</summary>
    public long Bytes => Training.Sum(file => file.ByteLength) + HeldOut.Sum(file => file.ByteLength);

    /// <summary>Finds the files.</summary>
    /// <param name="folder">The folder, or a single file.</param>
    /// <param name="cancel">Ends the search.</param>
    /// <exception cref="InvalidInputException">It does not exist, or there is too little text in it.</exception>
    public static DemoCorpus Collect(string folder, CancellationToken cancel)
    {
        IReadOnlyList<SourceFile> all = SourceFile.List([folder], new SourceOptions());
        string root = Directory.Exists(folder) ? folder : Path.GetDirectoryName(Path.GetFullPath(folder))!;
        List<SourceFile> chosen = [];
        long bytes = 0;
        int leftOut = 0;
        foreach ((string name, SourceFile file) in all.Select(file => (Name: NameOf(root, file), File: file)).OrderBy(pair => Order(pair.Name)).ThenBy(pair => pair.Name, StringComparer.Ordinal))
        {
            cancel.ThrowIfCancellationRequested();
            if (bytes + file.ByteLength > MostBytes || !IsSource(name, file))
            {
                leftOut++;
                continue;
            }
            chosen.Add(file);
            bytes += file.ByteLength;
        }
        if (bytes < LeastBytes)
        {
            throw new InvalidInputException(
                $"{folder} has {Quantity.Bytes(bytes)} of source text in {chosen.Count} files ({leftOut} others were left out: no text, data, generated or very large); the demo needs at least {Quantity.Bytes(LeastBytes)}.");
        }
        int heldOut = chosen.Count < LeastFilesToDivide ? 0 : Math.Max(1, chosen.Count / HeldOutOneIn);
        return new DemoCorpus(Sorted(chosen.Skip(heldOut)), Sorted(chosen.Take(heldOut)), leftOut);
    }

    private static SourceFile[] Sorted(IEnumerable<SourceFile> files) => [.. files.OrderBy(file => file.Path, StringComparer.Ordinal)];

    private static string NameOf(string root, SourceFile file) => Path.GetRelativePath(root, file.Path).Replace('\\', '/');

    private static ulong Order(string name) => XxHash3.HashToUInt64(Encoding.UTF8.GetBytes(name));

    private static bool IsSource(string name, SourceFile file)
    {
        if (file.ByteLength is 0 or > MostFileBytes || s_endings.Any(ending => name.EndsWith(ending, StringComparison.OrdinalIgnoreCase)))
            return false;
        if (name.Split('/').SkipLast(1).Any(s_folders.Contains))
            return false;
        byte[] content = File.ReadAllBytes(file.Path);
        int lines = content.AsSpan().Count((byte)'\n') + 1;
        return !content.AsSpan().Contains((byte)0) && System.Text.Unicode.Utf8.IsValid(content) && content.Length / lines <= MostBytesPerLine;
    }
}
