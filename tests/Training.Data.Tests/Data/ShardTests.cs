using FsCheck.Xunit;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Training.Data.Tests;

/// <summary>What is written is read again, and what was altered is refused.</summary>
public sealed class ShardTests
{
    [Property(MaxTest = 60)]
    public void Documents_come_back_as_they_were(ushort[][] seed, byte shardSize, bool isLarge)
    {
        int[][] documents = [.. seed.Select(document => document.Select(id => isLarge ? id + 30_000 : id % 1000).ToArray())];
        using TestFolder folder = new();
        string path = folder.WriteDocuments(documents, isLarge ? TestData.Large : TestData.Small, 1 + shardSize);
        using TokenDataset set = TokenDataset.Open(path);
        Assert.Equal(documents.Length, set.Count);
        Assert.Equal(documents.Sum(document => document.Length), set.TokenCount);
        for (int i = 0; i < documents.Length; i++)
        {
            Assert.Equal(documents[i], set.Read(i));
            int from = documents[i].Length / 3;
            int[] part = new int[documents[i].Length / 2];
            set.Read(i, from, part);
            Assert.Equal(documents[i].AsSpan(from, part.Length).ToArray(), part);
        }
        set.Verify();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Every_flipped_byte_is_refused(bool isPacked)
    {
        using TestFolder folder = new();
        string path = isPacked
            ? folder.WriteSamples(3, 5, 10, TestData.Small)
            : folder.WriteDocuments([[1, 2, 3], [4, 5], [6, 7, 8, 9]], TestData.Small);
        string file = Path.Combine(path, "shard-00000.tokens");
        byte[] whole = File.ReadAllBytes(file);
        ReadAll(path);
        for (int i = 0; i < whole.Length; i++)
        {
            byte[] altered = [.. whole];
            altered[i] ^= (byte)(1 << (i % 8));
            File.WriteAllBytes(file, altered);
            InvalidInputException error = Assert.Throws<InvalidInputException>(() => ReadAll(path));
            Assert.EndsWith(".", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Every_cut_is_refused_and_so_is_an_appendix()
    {
        using TestFolder folder = new();
        string path = folder.WriteDocuments([[1, 2, 3], [4, 5]], TestData.Large);
        string file = Path.Combine(path, "shard-00000.tokens");
        byte[] whole = File.ReadAllBytes(file);
        for (int length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(file, whole[..length]);
            Assert.Throws<InvalidInputException>(() => ReadAll(path));
        }
        File.WriteAllBytes(file, [.. whole, 0]);
        Assert.Throws<InvalidInputException>(() => ReadAll(path));
    }

    [Fact]
    public void A_damaged_block_is_found_when_it_is_read_and_not_before()
    {
        using TestFolder folder = new();
        int[] document = [.. Enumerable.Range(0, 100_000).Select(i => i % 1000)];
        string path = folder.WriteDocuments([document, document], TestData.Small);
        string file = Path.Combine(path, "shard-00000.tokens");
        byte[] bytes = File.ReadAllBytes(file);
        bytes[300_000] ^= 1;
        File.WriteAllBytes(file, bytes);
        using TokenDataset set = TokenDataset.Open(path);
        Assert.Equal(document, set.Read(0));
        Assert.Contains("is damaged: the checksum of block 4", Assert.Throws<InvalidInputException>(() => set.Read(1)).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidInputException>(() => set.Verify());
    }

    [Fact]
    public void Shards_that_are_missing_or_too_many_or_exchanged_are_refused()
    {
        using TestFolder folder = new();
        string path = folder.WriteDocuments(Enumerable.Range(0, 5).Select(i => new[] { i, i, i }), TestData.Small, idsPerShard: 6);
        string[] files = [.. Directory.GetFiles(path).Order(StringComparer.Ordinal)];
        Assert.Equal(3, files.Length);
        File.Move(files[2], files[2] + ".away");
        Assert.Contains("lacks shard-00002.tokens", Assert.Throws<InvalidInputException>(() => TokenDataset.Open(path)).Message, StringComparison.Ordinal);
        File.Copy(files[0], files[2]);
        Assert.Contains("shard 2 is expected", Assert.Throws<InvalidInputException>(() => TokenDataset.Open(path)).Message, StringComparison.Ordinal);
        File.Move(files[2] + ".away", files[2], overwrite: true);
        File.Copy(files[0], Path.Combine(path, "shard-00003.tokens"));
        Assert.Throws<InvalidInputException>(() => TokenDataset.Open(path));
    }

    [Fact]
    public void Nothing_is_left_of_a_data_set_that_was_not_finished()
    {
        using TestFolder folder = new();
        string path = folder.NewPath();
        using (ShardWriter writer = new(path, TestData.Small, 0, 0, 2))
        {
            writer.AddDocument([1, 2]);
            writer.AddDocument([3, 4]);
        }
        Assert.Empty(Directory.GetFileSystemEntries(folder.Root));
    }

    private static void ReadAll(string path)
    {
        using TokenDataset set = TokenDataset.Open(path);
        for (long item = 0; item < set.Count; item++)
            set.Read(item);
        set.Verify();
    }
}
