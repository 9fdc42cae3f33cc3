using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Bench;

/// <summary>
/// Makes the training text of the experiments out of unpacked packages (<c>get-corpus.sh</c>): one file of JSON Lines a
/// project, without files that share a passage with what is held out, and the held-out text itself.
/// </summary>
public static class CorpusBench
{
    /// <summary>A passage: this many characters with white space folded, about 200 as they stand in a file.</summary>
    private const int PassageLength = 150;
    private const double MostSeen = 0.5;
    private const int ValidationShare = 64; // one document in so many is kept for validation while training
    private const string Usage = "corpus --sources FOLDER --output FOLDER [--hold-out]";

    private static readonly JsonSerializerOptions s_line = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Runs the selection and prints a table.</summary>
    /// <param name="args">See the usage line; <c>--hold-out</c> chooses the held-out files anew, which was done once.</param>
    public static void Run(string[] args)
    {
        string? sources = null, output = null;
        bool holdOut = false;
        for (int i = 0; i < args.Length; i++)
        {
            switch (args[i])
            {
                case "--sources" when i + 1 < args.Length:
                    sources = args[++i];
                    break;
                case "--output" when i + 1 < args.Length:
                    output = args[++i];
                    break;
                case "--hold-out":
                    holdOut = true;
                    break;
                default:
                    throw new InvalidInputException($"{args[i]} is not understood, expected {Usage}.");
            }
        }
        if (sources is null || output is null)
            throw new InvalidInputException($"A folder is missing, expected {Usage}.");
        string root = RepositoryRoot(), home = Path.Combine(root, "bench", "Experiments");
        string held = Path.Combine(home, "held-out.tsv");
        CorpusProject[] projects = CorpusProject.ReadAll(Path.Combine(home, "corpus.json"));
        Directory.CreateDirectory(output);
        if (holdOut)
            HoldOut(projects, sources, held);
        WindowSet passages = new(PassageLength);
        AddGolden(passages, Path.Combine(root, "tests", "golden", "mini"));
        WriteHeldOut(projects, sources, held, Path.Combine(output, "held-out.jsonl"), passages);
        Console.WriteLine($"{passages.Count} different passages of {PassageLength} characters are held out");
        WriteTraining(projects, sources, output, passages);
    }

    private static void HoldOut(CorpusProject[] projects, string sources, string list)
    {
        using StreamWriter writer = new(list) { NewLine = "\n" };
        foreach (CorpusProject project in projects.Where(project => project.HeldOutBytes > 0))
        {
            int left = project.HeldOutBytes;
            foreach (var (relative, full) in project.Files(sources).OrderBy(file => Hash(file.Relative), StringComparer.Ordinal))
            {
                if (SourceFilter.Read(full, out _) is not string text || text.Length is < 1500 or > 16000 || left < text.Length)
                    continue;
                left -= text.Length;
                writer.WriteLine($"{project.Name}\t{relative}\t{Encoding.UTF8.GetByteCount(text)}\t{Hash(text)}");
            }
        }
    }

    private static void AddGolden(WindowSet passages, string mini)
    {
        Tokenizer tokenizer = Tokenizer.Load(Path.Combine(mini, "tokenizer.json"));
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(mini, "expected.safetensors"));
        using Tensor ids = file.OpenTensor(file.Find("val.ids"));
        passages.Add(tokenizer.Decode(ids.Span<int>()));
    }

    private static void WriteHeldOut(CorpusProject[] projects, string sources, string list, string path, WindowSet passages)
    {
        using StreamWriter writer = new(path);
        foreach (IGrouping<string, string[]> files in File.ReadLines(list).Select(line => line.Split('\t')).GroupBy(fields => fields[0]))
        {
            CorpusProject project = projects.Single(project => project.Name == files.Key);
            long bytes = 0;
            foreach (string[] fields in files)
            {
                string file = Path.Combine(sources, project.Folder, fields[1]);
                string text = SourceFilter.Clean(File.ReadAllText(file));
                if (Hash(text) != fields[3])
                    throw new InvalidInputException($"{file} is not the file that was held out: its cleaned text has another checksum than {list} says.");
                passages.Add(text);
                bytes += WriteLine(writer, $"{project.Name}/{fields[1]}", text);
            }
            Console.WriteLine($"held out: {project.Name,-18} {files.Count(),5} files {bytes,10} bytes ({project.Licence}, {project.Package})");
        }
    }

    private static void WriteTraining(CorpusProject[] projects, string sources, string output, WindowSet passages)
    {
        HashSet<ulong> seen = [];
        using StreamWriter validation = new(Path.Combine(output, "validation.jsonl"));
        foreach (CorpusProject project in projects.Where(project => project.HeldOutBytes == 0))
        {
            Dictionary<string, int> left = [];
            int files = 0;
            long bytes = 0;
            string path = Path.Combine(output, project.Name + ".jsonl");
            using (StreamWriter writer = new(path))
            {
                foreach (var (relative, full) in project.Files(sources))
                {
                    string? text = SourceFilter.Read(full, out string reason);
                    if (text is not null && passages.Touches(text))
                        (text, reason) = (null, "held out");
                    if (text is not null && WindowSet.SeenShare(text, PassageLength, seen) > MostSeen)
                        (text, reason) = (null, "copy");
                    if (text is null)
                    {
                        left[reason] = left.GetValueOrDefault(reason) + 1;
                        continue;
                    }
                    string name = $"{project.Name}/{relative}";
                    bool forValidation = Convert.ToUInt32(Hash(name)[..8], 16) % ValidationShare == 0;
                    bytes += WriteLine(forValidation ? validation : writer, name, text);
                    files++;
                }
            }
            string reasons = string.Join(", ", left.OrderByDescending(pair => pair.Value).Select(pair => $"{pair.Key} {pair.Value}"));
            Console.WriteLine($"{project.Name,-18} {files,5} files {bytes,10} bytes, left out: {reasons}");
            Console.WriteLine($"{"",-18} sha256 {Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path)))}");
        }
    }

    private static int WriteLine(StreamWriter writer, string path, string text)
    {
        writer.Write(JsonSerializer.Serialize(new Dictionary<string, string> { ["path"] = path, ["text"] = text }, s_line));
        writer.Write('\n');
        return Encoding.UTF8.GetByteCount(text);
    }

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    internal static string RepositoryRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Mellum2.Managed.sln")))
                return folder.FullName;
        }
        throw new InvalidInputException($"No folder above {AppContext.BaseDirectory} holds Mellum2.Managed.sln.");
    }
}
