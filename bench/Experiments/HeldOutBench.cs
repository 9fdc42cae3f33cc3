using System.Globalization;
using System.Text.Json;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Bench;

/// <summary>
/// Loss and bits per byte of checkpoints on the held-out text of <c>Experiments/README.md</c>: golden <c>mini</c>'s
/// <c>val.ids</c>, and the documents of held-out.tsv in rows of 256 tokens. Every row is a sequence of its own, so its first token is not predicted.
/// The bytes are those of the predicted tokens, that of the end of a document among them, as in golden <c>mini</c>'s figures.
/// </summary>
public static class HeldOutBench
{
    private const int RowLength = 256;

    private const string Usage = "held-out --text FILE CHECKPOINT...";

    /// <summary><c>held-out --text corpus/text/held-out.jsonl CHECKPOINT...</c>: the file that <c>corpus</c> wrote, the checkpoints' folders.</summary>
    public static void Run(string[] args)
    {
        if (args is not ["--text", string file, .. string[] folders] || folders.Length == 0)
            throw new InvalidInputException($"The text or a checkpoint is missing, expected {Usage}.");
        string root = CorpusBench.RepositoryRoot();
        Console.WriteLine("| checkpoint | text | predictions | loss | bits per byte | next token right |");
        Console.WriteLine("|---|---|--:|--:|--:|--:|");
        foreach (string folder in folders)
        {
            using Mellum mellum = Mellum.Load(folder);
            int[][] golden = GoldenRows(root);
            Print(mellum, folder, "val.ids", golden);
            Print(mellum, folder, "val.ids, rows of Newtonsoft.Json", golden[..4]);
            Print(mellum, folder, "val.ids, rows of Orleans", golden[4..]);
            var projects = TextRows(mellum.Tokenizer, file);
            Print(mellum, folder, "held-out", [.. projects.SelectMany(project => project.Rows)]);
            foreach (var (project, rows) in projects)
                Print(mellum, folder, $"held-out, {project}", rows);
        }
    }

    private static int[][] GoldenRows(string root)
    {
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(root, "tests", "golden", "mini", "expected.safetensors"));
        using Tensor ids = file.OpenTensor(file.Find("val.ids"));
        return [.. ids.Span<int>().ToArray().Chunk(RowLength)];
    }

    // Each line is a document; the first part of its path is the project.
    private static (string Project, int[][] Rows)[] TextRows(Tokenizer tokenizer, string path)
    {
        if (!tokenizer.TryGetId("<|endoftext|>", out int end))
            throw new InvalidInputException("The tokenizer has no <|endoftext|>.");
        return [.. File.ReadLines(path).Select(line => JsonSerializer.Deserialize<Dictionary<string, string>>(line)!)
            .GroupBy(document => document["path"].Split('/')[0])
            .Select(project => (project.Key, project
                .SelectMany(document => tokenizer.Encode(document["text"]).Append(end).Chunk(RowLength))
                .Where(row => row.Length > 1).ToArray()))];
    }

    private static void Print(Mellum mellum, string folder, string text, int[][] rows)
    {
        double nats = 0;
        long bytes = 0, count = 0, right = 0;
        foreach (int[] row in rows)
        {
            MellumModel model = mellum.Model;
            using KvCache cache = new(new CachePlan(model.Configuration, model.CacheFormat, row.Length, row.Length, model.HasMtp));
            ForwardBatch batch = new();
            batch.Add(cache, position: 0, row);
            Tensor states = model.Trunk(batch, wantBeforeNorm: false, out _);
            Tensor logits = model.Logits(states, firstRow: 0, count: row.Length);
            for (int i = 0; i + 1 < row.Length; i++)
            {
                nats -= model.LogProbability(logits, i, row[i + 1]);
                bytes += mellum.Tokenizer.Bytes(row[i + 1]).Length;
                right += Best(model.ReadRow(logits, i)) == row[i + 1] ? 1 : 0;
                count++;
            }
            model.Context.Workspace.Release(logits);
            model.Context.Workspace.Release(states);
        }
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"| {folder} | {text} | {count:N0} | {nats / count:F4} | {nats / Math.Log(2) / bytes:F4} | {(double)right / count:P1} |"));
    }

    private static int Best(ReadOnlySpan<float> logits)
    {
        int best = 0;
        for (int i = 1; i < logits.Length; i++)
            best = logits[i] > logits[best] ? i : best;
        return best;
    }
}
