using System.Diagnostics;
using System.Globalization;
using System.Text;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Bench;

/// <summary>
/// How fast C# sources are encoded on one thread, in turns with Hugging Face's <c>tokenizers</c> (npm) where node is present.
/// Both get the same files one after the other, both find every added token, and their ids have to be equal.
/// </summary>
public static class TokenizerBench
{
    private const int LeastBytes = 4 << 20;
    private const string Usage = "tokenizer [--folder C#-SOURCES] [--file tokenizer.json] [--rounds N]";

    /// <summary>Runs the benchmark and prints a table.</summary>
    /// <param name="args">See the usage line; without a folder the sources of this repository are used.</param>
    /// <returns>0, or 1 where the ids differ or an argument is wrong.</returns>
    public static int Run(string[] args)
    {
        string root = RepositoryRoot();
        string folder = root, file = Path.Combine(root, "tests", "golden", "tokenizer", "mellum-2048", "tokenizer.json");
        int rounds = 9;
        for (int i = 0; i < args.Length; i += 2)
        {
            string? value = i + 1 < args.Length ? args[i + 1] : null;
            switch (args[i])
            {
                case "--folder" when Directory.Exists(value):
                    folder = value;
                    break;
                case "--file" when value is not null:
                    file = Path.GetFullPath(value);
                    break;
                case "--rounds" when int.TryParse(value, CultureInfo.InvariantCulture, out rounds) && rounds > 0:
                    break;
                default:
                    Console.Error.WriteLine($"{args[i]} {value} is not understood, expected {Usage}.");
                    return 1;
            }
        }
        try
        {
            return Run(folder, file, rounds);
        }
        catch (InvalidInputException e)
        {
            Console.Error.WriteLine(e.Message);
            return 1;
        }
    }

    private static int Run(string folder, string file, int rounds)
    {
        string[] texts = ReadSources(folder, out int distinctBytes);
        long bytes = texts.Sum(text => (long)Encoding.UTF8.GetByteCount(text));
        Tokenizer tokenizer = Tokenizer.Load(file);
        Console.WriteLine($"{bytes / 1e6:F2} MB of C# in {texts.Length} texts ({distinctBytes / 1e6:F2} MB distinct), {file}");
        using TokenizerRival? rival = TokenizerRival.Start(file, texts, out string rivalName);

        var ids = new List<int>();
        (double _, uint hash) = Encode(tokenizer, texts, ids);
        if (rival is not null && rival.Encode() is var first && first.Hash != hash)
        {
            Console.Error.WriteLine($"the ids differ: hash {hash} of {ids.Count} ids here, {first.Hash} of {first.Count} there.");
            return 1;
        }
        var own = new List<double>();
        var theirs = new List<double>();
        for (int round = 0; round < rounds; round++)
        {
            // Who goes first alternates, so that a machine that slows down meets both.
            if (round % 2 == 1)
                own.Add(bytes / 1e6 / Encode(tokenizer, texts, ids).Seconds);
            if (rival is not null)
                theirs.Add(bytes / 1e6 / rival.Encode().Seconds);
            if (round % 2 == 0)
                own.Add(bytes / 1e6 / Encode(tokenizer, texts, ids).Seconds);
        }
        Console.WriteLine($"{ids.Count} ids, {(double)bytes / ids.Count:F2} bytes per id, {rounds} rounds in turns, one thread");
        Print("Mellum2.Managed", own);
        if (rival is null)
        {
            Console.WriteLine($"rival not available ({rivalName})");
            return 0;
        }
        Print(rivalName, theirs);
        Console.WriteLine($"same ids; ratio of medians {Median(own) / Median(theirs):F1}");
        return 0;
    }

    private static (double Seconds, uint Hash) Encode(Tokenizer tokenizer, string[] texts, List<int> ids)
    {
        ids.Clear();
        long start = Stopwatch.GetTimestamp();
        foreach (string text in texts)
            tokenizer.Encode(text, new EncodeOptions(AddedTokenMode.All), ids);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        uint hash = 2166136261;
        foreach (int id in ids)
            hash = (hash ^ (uint)id) * 16777619;
        return (seconds, hash);
    }

    private static string[] ReadSources(string folder, out int distinctBytes)
    {
        char separator = Path.DirectorySeparatorChar;
        var texts = new List<string>();
        distinctBytes = 0;
        foreach (string path in Directory.GetFiles(folder, "*.cs", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            if (path.Contains($"{separator}obj{separator}", StringComparison.Ordinal))
                continue;
            string text = File.ReadAllText(path);
            distinctBytes += Encoding.UTF8.GetByteCount(text);
            texts.Add(text);
        }
        if (distinctBytes == 0)
            throw new InvalidInputException($"{folder}: no C# source stands below this folder.");
        int copies = (LeastBytes + distinctBytes - 1) / distinctBytes;
        return [.. Enumerable.Repeat(texts, copies).SelectMany(all => all)];
    }

    private static string RepositoryRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Mellum2.Managed.sln")))
                return folder.FullName;
        }
        return Directory.GetCurrentDirectory();
    }

    private static void Print(string name, List<double> rates) => Console.WriteLine(
        $"{name,-28} median {Median(rates),8:F2} MB/s   lowest {rates.Min(),8:F2}   highest {rates.Max(),8:F2}");

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);
}
