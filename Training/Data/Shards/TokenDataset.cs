using System.IO.Hashing;
using System.Runtime.InteropServices;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Training;

/// <summary>
/// A folder of shards: documents as <c>mellum2 data tokenize</c> writes them, or samples as <c>mellum2 data pack</c> does. Its files
/// are mapped, so that it may be larger than the memory. Safe for use by many threads.
/// </summary>
public sealed class TokenDataset : IDisposable
{
    private readonly List<TokenShard> _shards = [];
    private readonly List<long> _firstItems = [0];

    private TokenDataset(string path) => Path = path;

    /// <summary>The folder.</summary>
    public string Path { get; }

    /// <summary>What the ids mean.</summary>
    public VocabularyIdentity Vocabulary => _shards[0].Header.Vocabulary;

    /// <summary>Whether it holds samples and not documents.</summary>
    public bool IsPacked => _shards[0].Header.IsPacked;

    /// <summary>The tokens that a sample has room for; 0 for documents.</summary>
    public int SequenceLength => _shards[0].Header.SequenceLength;

    /// <summary>The token at the end of each document.</summary>
    public int EndId => _shards[0].Header.EndId;

    /// <summary>How many documents there are, or in a packed set how many samples.</summary>
    public long Count => _firstItems[^1];

    /// <summary>How many tokens there are.</summary>
    public long TokenCount => _shards.Sum(shard => shard.Header.Ids);

    /// <summary>How many documents and parts of documents there are.</summary>
    public long SegmentCount => _shards.Sum(shard => shard.Header.Segments);

    /// <summary>How many files there are.</summary>
    public int ShardCount => _shards.Count;

    /// <summary>The bytes of all files.</summary>
    public long ByteLength => _shards.Sum(shard => shard.Header.FileBytes);

    /// <summary>Tells contents apart: over the checksums of all shards.</summary>
    internal ulong ContentHash => XxHash3.HashToUInt64(MemoryMarshal.AsBytes<ulong>(_shards.Select(shard => shard.ContentHash).ToArray()));

    /// <summary>Opens a data set.</summary>
    /// <param name="path">Its folder.</param>
    /// <exception cref="InvalidInputException">A shard is missing, cut or altered, or shards do not belong together.</exception>
    public static TokenDataset Open(string path)
    {
        if (!Directory.Exists(path))
            throw new InvalidInputException($"The data set {path} does not exist; a folder of shards is expected.");
        TokenDataset set = new(path);
        try
        {
            for (int index = 0; index == 0 || !set._shards[^1].Header.IsLast; index++)
                set.Add(index);
            if (File.Exists(System.IO.Path.Combine(path, ShardWriter.FileName(set.ShardCount))))
                throw new InvalidInputException($"{path} has shards behind the last one, {ShardWriter.FileName(set.ShardCount - 1)}.");
            return set;
        }
        catch
        {
            set.Dispose();
            throw;
        }
    }

    /// <summary>How many tokens an item has.</summary>
    /// <param name="item">A document or sample, below <see cref="Count"/>.</param>
    public int LengthOf(long item)
    {
        (TokenShard shard, long local) = Find(item);
        return checked((int)shard.Length(local));
    }

    /// <summary>Copies tokens of an item.</summary>
    /// <param name="item">A document or sample, below <see cref="Count"/>.</param>
    /// <param name="from">The first token, counted within the item.</param>
    /// <param name="target">As many are copied as it has room for; the item must have them.</param>
    /// <exception cref="InvalidInputException">The file is damaged there.</exception>
    public void Read(long item, int from, Span<int> target)
    {
        (TokenShard shard, long local) = Find(item);
        ArgumentOutOfRangeException.ThrowIfNegative(from);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(from + (long)target.Length, shard.Length(local), nameof(target));
        shard.Read(local, from, target);
    }

    /// <summary>All tokens of an item.</summary>
    /// <param name="item">A document or sample, below <see cref="Count"/>.</param>
    /// <exception cref="InvalidInputException">The file is damaged there.</exception>
    public int[] Read(long item)
    {
        int[] ids = new int[LengthOf(item)];
        Read(item, 0, ids);
        return ids;
    }

    /// <summary>Adds the lengths of an item's segments (of the documents in a sample) to a list.</summary>
    /// <param name="item">A document or sample, below <see cref="Count"/>.</param>
    /// <param name="lengths">The list.</param>
    public void SegmentLengths(long item, List<int> lengths)
    {
        (TokenShard shard, long local) = Find(item);
        (long first, long end) = shard.SegmentsOf(local);
        for (long segment = first; segment < end; segment++)
            lengths.Add(checked((int)shard.SegmentLength(segment)));
    }

    /// <summary>Verifies every checksum of every shard; otherwise a block is verified when it is read for the first time.</summary>
    /// <param name="cancel">Ends the work.</param>
    /// <exception cref="InvalidInputException">A file is damaged.</exception>
    public void Verify(CancellationToken cancel = default)
    {
        foreach (TokenShard shard in _shards)
        {
            cancel.ThrowIfCancellationRequested();
            shard.VerifyAll();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (TokenShard shard in _shards)
            shard.Dispose();
    }

    private void Add(int index)
    {
        string file = System.IO.Path.Combine(Path, ShardWriter.FileName(index));
        if (!File.Exists(file))
            throw new InvalidInputException($"The data set {Path} lacks {ShardWriter.FileName(index)}.");
        TokenShard shard = new(file);
        _shards.Add(shard);
        if (shard.Header.Index != index)
            throw new InvalidInputException($"{file} is shard {shard.Header.Index} of a data set, but shard {index} is expected.");
        Vocabulary.Require(shard.Header.Vocabulary, file);
        if (shard.Header.SequenceLength != SequenceLength || shard.Header.EndId != EndId)
            throw new InvalidInputException($"{file} belongs to another data set than {ShardWriter.FileName(0)} beside it.");
        _firstItems.Add(checked(_firstItems[^1] + shard.Items));
    }

    private (TokenShard Shard, long Local) Find(long item)
    {
        if ((ulong)item >= (ulong)Count)
            throw new ArgumentOutOfRangeException(nameof(item), item, $"An item below {Count} is expected.");
        int found = _firstItems.BinarySearch(item);
        int shard = found >= 0 ? found : ~found - 1;
        // A shard without items begins where the next one does.
        while (_firstItems[shard + 1] == item)
            shard++;
        return (_shards[shard], item - _firstItems[shard]);
    }
}
