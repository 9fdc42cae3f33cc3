using System.Text;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training.Data.Tests;

/// <summary>A folder that goes away with the test, and data sets in it.</summary>
internal sealed class TestFolder : IDisposable
{
    private int _names;

    public string Root { get; } = Directory.CreateTempSubdirectory("mellum2-data-").FullName;

    public string Combine(params string[] parts) => Path.Combine([Root, .. parts]);

    /// <summary>A path that does not exist yet.</summary>
    public string NewPath() => Combine($"new-{_names++}");

    public string Write(string name, byte[] bytes)
    {
        string path = Combine(name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, bytes);
        return path;
    }

    public string Write(string name, string text) => Write(name, Encoding.UTF8.GetBytes(text));

    /// <summary>Writes a data set of documents; an end token is not added.</summary>
    public string WriteDocuments(IEnumerable<int[]> documents, VocabularyIdentity vocabulary, int idsPerShard = 1 << 20)
    {
        string path = NewPath();
        using ShardWriter writer = new(path, vocabulary, 0, 0, idsPerShard);
        foreach (int[] document in documents)
            writer.AddDocument(document);
        writer.Commit();
        return path;
    }

    /// <summary>Writes a packed data set whose samples are one segment each.</summary>
    public string WriteSamples(int count, int length, int firstId, VocabularyIdentity vocabulary)
    {
        string path = NewPath();
        using ShardWriter writer = new(path, vocabulary, length, 0, 7 * length);
        for (int i = 0; i < count; i++)
            writer.AddSample([.. Enumerable.Range(0, length).Select(k => firstId + i)], [length]);
        writer.Commit();
        return path;
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);
}

/// <summary>What all tests share.</summary>
internal static class TestData
{
    public static Tokenizer Tokenizer { get; } = Tokenizer.Load(Path.Combine(Mellum.DefaultFolder, "tokenizer.json"));

    public static VocabularyIdentity Small => new(1000, 1);

    public static VocabularyIdentity Large => new(100_000, 2);

    /// <summary>The source files of this repository's Model folder: a corpus of some hundred kilobytes.</summary>
    public static string Sources { get; } = Path.Combine(Managed.Tests.GoldenFolder.RepositoryRoot(), "Model");

    /// <summary>All bytes of all shards of a data set.</summary>
    public static byte[] Content(string dataset) =>
        [.. Directory.GetFiles(dataset).Order(StringComparer.Ordinal).SelectMany(file => Encoding.UTF8.GetBytes(Path.GetFileName(file)).Concat(File.ReadAllBytes(file)))];
}
