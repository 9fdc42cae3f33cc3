using System.IO.Hashing;
using System.Runtime.InteropServices;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Training;

/// <summary>A mapped shard. Header and boundaries are verified when it is opened, a block of ids when it is read for the first time. Safe for use by many threads.</summary>
internal sealed unsafe class TokenShard : IDisposable
{
    private readonly MappedFile _file;
    private readonly MappedView _view;
    private readonly int[] _verified;

    public TokenShard(string path)
    {
        if (!BitConverter.IsLittleEndian)
            throw new PlatformNotSupportedException("Shards are read on little-endian machines alone.");
        _file = new MappedFile(path);
        try
        {
            byte[] head = new byte[ShardHeader.ByteLength];
            if (_file.ByteLength < head.Length)
                throw new InvalidInputException($"{path} is no shard of tokens: it has {_file.ByteLength:N0} bytes.");
            _view = _file.View(0, _file.ByteLength);
            new ReadOnlySpan<byte>(_view.Pointer, head.Length).CopyTo(head);
            Header = ShardHeader.Read(head, _file.ByteLength, path);
            _verified = new int[(Header.Blocks + 31) / 32];
            VerifyTable();
            Verify(0, Header.BoundaryBytes);
            RequireBoundaries();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public ShardHeader Header { get; }

    /// <summary>The documents, or in a packed shard the samples.</summary>
    public long Items => Header.IsPacked ? Header.Samples : Header.Segments;

    /// <summary>The checksum of the checksums of all blocks.</summary>
    public ulong ContentHash => *(ulong*)(Payload + Header.BoundaryBytes + Header.IdBytes + Header.Blocks * sizeof(ulong));

    private byte* Payload => _view.Pointer + ShardHeader.ByteLength;

    // The tables are a multiple of eight bytes long and the view begins with the file, so that they are aligned.
    private long* Segments => (long*)Payload;

    private long* Samples => Segments + Header.Segments + 1;

    /// <summary>The segments of an item.</summary>
    public (long First, long End) SegmentsOf(long item) => Header.IsPacked ? (Samples[item], Samples[item + 1]) : (item, item + 1);

    /// <summary>How many ids a segment has.</summary>
    public long SegmentLength(long segment) => Segments[segment + 1] - Segments[segment];

    /// <summary>How many ids an item has.</summary>
    public long Length(long item)
    {
        (long first, long end) = SegmentsOf(item);
        return Segments[end] - Segments[first];
    }

    /// <summary>Copies the ids of an item from one on.</summary>
    /// <param name="item">The item.</param>
    /// <param name="from">The first id, counted within the item.</param>
    /// <param name="target">As many are copied as it has room for.</param>
    /// <exception cref="InvalidInputException">A block is damaged, or an id is beyond the vocabulary.</exception>
    public void Read(long item, long from, Span<int> target)
    {
        long first = Segments[SegmentsOf(item).First] + from;
        int width = Header.Vocabulary.BytesPerId;
        long offset = Header.BoundaryBytes + first * width;
        Verify(offset, (long)target.Length * width);
        uint largest = 0;
        if (width == sizeof(ushort))
        {
            ReadOnlySpan<ushort> ids = new(Payload + offset, target.Length);
            for (int i = 0; i < target.Length; i++)
            {
                target[i] = ids[i];
                largest = Math.Max(largest, ids[i]);
            }
        }
        else
        {
            ReadOnlySpan<uint> ids = new(Payload + offset, target.Length);
            for (int i = 0; i < target.Length; i++)
            {
                target[i] = (int)ids[i];
                largest = Math.Max(largest, ids[i]);
            }
        }
        if (largest >= (uint)Header.Vocabulary.Size && target.Length > 0)
            throw new InvalidInputException($"{_file.Path} has the id {largest}, but ids below {Header.Vocabulary.Size} are expected.");
    }

    /// <summary>Verifies all blocks.</summary>
    /// <exception cref="InvalidInputException">A block is damaged.</exception>
    public void VerifyAll() => Verify(0, Header.BoundaryBytes + Header.IdBytes);

    /// <inheritdoc/>
    public void Dispose()
    {
        _view?.Dispose();
        _file.Dispose();
    }

    private void VerifyTable()
    {
        byte* table = Payload + Header.BoundaryBytes + Header.IdBytes;
        long bytes = Header.Blocks * sizeof(ulong);
        if (bytes > int.MaxValue || XxHash3.HashToUInt64(new ReadOnlySpan<byte>(table, (int)bytes)) != *(ulong*)(table + bytes))
            throw new InvalidInputException($"{_file.Path} is damaged: the checksum of its checksums is wrong.");
    }

    private void Verify(long offset, long length)
    {
        if (length == 0)
            return;
        long payload = Header.BoundaryBytes + Header.IdBytes;
        ulong* checksums = (ulong*)(Payload + payload);
        for (long block = offset / ShardHeader.BlockBytes; block <= (offset + length - 1) / ShardHeader.BlockBytes; block++)
        {
            ref int word = ref _verified[block / 32];
            int bit = 1 << (int)(block % 32);
            if ((Volatile.Read(ref word) & bit) != 0)
                continue;
            long start = block * ShardHeader.BlockBytes;
            int size = (int)Math.Min(ShardHeader.BlockBytes, payload - start);
            if (XxHash3.HashToUInt64(new ReadOnlySpan<byte>(Payload + start, size)) != checksums[block])
                throw new InvalidInputException($"{_file.Path} is damaged: the checksum of block {block} (from byte {ShardHeader.ByteLength + start:N0}) is wrong.");
            Interlocked.Or(ref word, bit);
        }
    }

    private void RequireBoundaries()
    {
        bool isRight = IsRising(Segments, Header.Segments, Header.Ids);
        if (Header.IsPacked)
        {
            isRight = isRight && IsRising(Samples, Header.Samples, Header.Segments);
            for (long sample = 0; isRight && sample < Header.Samples; sample++)
                isRight = Length(sample) <= Header.SequenceLength;
        }
        if (!isRight)
            throw new InvalidInputException($"{_file.Path} is damaged: its boundaries do not fit its ids.");
    }

    private static bool IsRising(long* starts, long count, long end)
    {
        if (starts[0] != 0 || starts[count] != end)
            return false;
        for (long i = 0; i < count; i++)
            if (starts[i] > starts[i + 1])
                return false;
        return true;
    }
}
