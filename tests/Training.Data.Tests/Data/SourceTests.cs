using System.IO.Compression;
using System.Text;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;
using ZstdSharp;

namespace Mellum2.Managed.Training.Data.Tests;

/// <summary>What of a corpus is read, in which order, and what is left out or refused.</summary>
public sealed class SourceTests
{
    [Fact]
    public void Text_lines_and_compressed_files_are_read_in_a_fixed_order()
    {
        using TestFolder folder = new();
        folder.Write("b.txt", "second");
        folder.Write("a/z.txt", "first");
        folder.Write("c.txt.gz", Gzip("third"));
        folder.Write("d.txt.zst", Zstd("fourth"));
        folder.Write("e.jsonl", "{\"n\":1,\"text\":\"fi\\u0066th\"}\n\n{\"text\":\"sixth\",\"more\":{\"text\":\"no\"}}\r\n");
        folder.Write("f.jsonl.gz", Gzip("{\"text\":\"seventh\"}\n{\"text\":\"eighth\"}"));
        folder.Write("g.jsonl.zst", Zstd("{\"text\":\"ninth\"}"));
        folder.Write("h.txt", [.. Encoding.UTF8.Preamble, .. "tenth"u8]);
        folder.Write(".git/x.txt", "hidden");
        (int[][] documents, CorpusReport report) = Tokenize(folder, new SourceOptions());
        Assert.Equal(
            ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"],
            documents.Select(ids => TestData.Tokenizer.Decode(ids.AsSpan(0, ids.Length - 1))));
        Assert.All(documents, ids => Assert.Equal("<|endoftext|>", TestData.Tokenizer.Piece(ids[^1])));
        Assert.Equal(0, report.Skipped);
        (documents, _) = Tokenize(folder, new SourceOptions { Extensions = ["*.jsonl"] });
        Assert.Equal(5, documents.Length);
    }

    [Fact]
    public void What_is_no_text_is_left_out_and_named_or_refused()
    {
        using TestFolder folder = new();
        folder.Write("a.bin", [1, 0, 2]);
        folder.Write("b.txt", [(byte)'x', 0xFF]);
        folder.Write("c.jsonl", "{\"text\":\"good\"}\n{\"text\":3}\nnonsense\n{\"text\":\"\\ud800\"}\n[1]\n{\"other\":\"x\"}\n{\"text\":\"\"}\n");
        folder.Write("d.jsonl", [(byte)'{', 0xFF, (byte)'}']);
        (int[][] documents, CorpusReport report) = Tokenize(folder, new SourceOptions());
        Assert.Single(documents);
        Assert.Equal(1, report.Documents);
        Assert.Equal(1, report.Empty);
        Assert.Equal(
            [SkipReason.Binary, SkipReason.InvalidUtf8, SkipReason.NoText, SkipReason.InvalidJson, SkipReason.InvalidUtf8, SkipReason.InvalidJson, SkipReason.NoText, SkipReason.InvalidUtf8],
            report.Named.Select(one => one.Reason));
        Assert.Equal(8, report.Skipped);
        Assert.Equal($"{folder.Combine("c.jsonl")}, line 3 is no JSON object.", report.Named[3].ToString());
        Assert.Contains("a.bin is a binary file", Assert.Throws<InvalidInputException>(() => Tokenize(folder, new SourceOptions { IsStrict = true })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Damaged_compression_is_refused_in_a_sentence()
    {
        foreach ((string name, byte[] bytes) in new[] { ("a.txt.gz", Gzip(new string('x', 5000) + "y")), ("a.txt.zst", Zstd(new string('x', 5000) + "y")), ("a.jsonl.gz", Gzip("{\"text\":\"abcdefghij\"}")), ("a.jsonl.zst", Zstd("{\"text\":\"abcdefghij\"}")) })
        {
            for (int cut = 1; cut < bytes.Length; cut++)
            {
                using TestFolder folder = new();
                folder.Write(name, bytes[..^cut]);
                Assert.Contains("is damaged", Assert.Throws<InvalidInputException>(() => Tokenize(folder, new SourceOptions())).Message, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void A_corpus_without_files_or_text_is_refused()
    {
        using TestFolder folder = new();
        Assert.Contains("has no file", Assert.Throws<InvalidInputException>(() => SourceFile.List([folder.Root], new SourceOptions())).Message, StringComparison.Ordinal);
        folder.Write("a.txt", "x");
        Assert.Contains("has no file that ends in .cs", Assert.Throws<InvalidInputException>(() => SourceFile.List([folder.Root], new SourceOptions { Extensions = ["cs"] })).Message, StringComparison.Ordinal);
        Assert.Contains("neither a file nor a folder", Assert.Throws<InvalidInputException>(() => SourceFile.List([folder.Combine("b")], new SourceOptions())).Message, StringComparison.Ordinal);
        folder.Write("a.txt", "");
        Assert.Contains("has no document with text", Assert.Throws<InvalidInputException>(() => Tokenize(folder, new SourceOptions())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Shards_do_not_depend_on_the_threads()
    {
        using TestFolder folder = new();
        StringBuilder lines = new();
        for (int i = 0; i < 30_000; i++)
            lines.Append("{\"text\":\"line ").Append(new string('a', i % 97)).Append(i).Append("\"}\n");
        folder.Write("in/lines.jsonl", lines.ToString());
        IReadOnlyList<SourceFile> files = SourceFile.List([TestData.Sources, folder.Combine("in")], new SourceOptions());
        string one = folder.NewPath(), many = folder.NewPath();
        TokenizingOptions options = new() { Threads = 1, TokensPerShard = 50_000 };
        CorpusReport first = CorpusTokenizer.Run(TestData.Tokenizer, files, one, options);
        CorpusReport second = CorpusTokenizer.Run(TestData.Tokenizer, files, many, options with { Threads = 5 });
        Assert.Equal(TestData.Content(one), TestData.Content(many));
        Assert.Equal(first.Bytes, second.Bytes);
        Assert.Equal(first.Named, second.Named);
        Assert.True(Directory.GetFiles(one).Length > 3);
    }

    [Fact]
    public void Cancelling_leaves_nothing_behind()
    {
        using TestFolder folder = new();
        using CancellationTokenSource cancel = new();
        cancel.Cancel();
        Assert.Throws<OperationCanceledException>(() => CorpusTokenizer.Run(
            TestData.Tokenizer, SourceFile.List([TestData.Sources], new SourceOptions()), folder.NewPath(), new TokenizingOptions(), null, cancel.Token));
        Assert.Empty(Directory.GetFileSystemEntries(folder.Root));
    }

    private static (int[][] Documents, CorpusReport Report) Tokenize(TestFolder folder, SourceOptions sources)
    {
        using TestFolder target = new();
        string path = target.NewPath();
        CorpusReport report = CorpusTokenizer.Run(
            TestData.Tokenizer, SourceFile.List([folder.Root], sources), path, new TokenizingOptions { Sources = sources, Threads = 2 });
        using TokenDataset set = TokenDataset.Open(path);
        Assert.Equal(VocabularyIdentity.Of(TestData.Tokenizer), set.Vocabulary);
        return ([.. Enumerable.Range(0, (int)set.Count).Select(i => set.Read(i))], report);
    }

    private static byte[] Gzip(string text)
    {
        using MemoryStream stream = new();
        using (GZipStream gzip = new(stream, CompressionLevel.Fastest))
            gzip.Write(Encoding.UTF8.GetBytes(text));
        return stream.ToArray();
    }

    private static byte[] Zstd(string text)
    {
        using Compressor compressor = new();
        return compressor.Wrap(Encoding.UTF8.GetBytes(text)).ToArray();
    }
}
