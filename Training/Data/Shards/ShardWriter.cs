using System.Globalization;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>
/// Writes a data set: a folder of shards that appears under its name only when all of it is there. A shard is held in memory until
/// it is full; no document and no sample is cut by the end of a shard.
/// </summary>
internal sealed class ShardWriter : IDisposable
{
    /// <summary>The most ids of a shard, unless one document alone has more.</summary>
    public const int MostIds = 1 << 28;

    private readonly StagedFolder _folder;
    private readonly VocabularyIdentity _vocabulary;
    private readonly int _sequenceLength, _endId, _idsPerShard;
    private readonly List<long> _segments = [0], _samples = [0];
    private byte[] _ids = [];
    private long _count;
    private int _index;

    /// <summary>Creates the folder's temporary form.</summary>
    /// <param name="folder">The data set; must not exist or be empty.</param>
    /// <param name="vocabulary">What the ids mean.</param>
    /// <param name="sequenceLength">The room of a sample; 0 for documents.</param>
    /// <param name="endId">The token at the end of each document.</param>
    /// <param name="idsPerShard">When a shard is full.</param>
    public ShardWriter(string folder, VocabularyIdentity vocabulary, int sequenceLength, int endId, int idsPerShard)
    {
        _folder = new StagedFolder(folder);
        _vocabulary = vocabulary;
        _sequenceLength = sequenceLength;
        _endId = endId;
        _idsPerShard = idsPerShard;
    }

    /// <summary>Appends a document.</summary>
    public void AddDocument(ReadOnlySpan<int> ids)
    {
        MakeRoom(ids.Length);
        Append(ids);
        _segments.Add(_count);
    }

    /// <summary>Appends a sample.</summary>
    /// <param name="ids">Its tokens.</param>
    /// <param name="segmentLengths">How many of them belong to each document, in order.</param>
    public void AddSample(ReadOnlySpan<int> ids, IEnumerable<int> segmentLengths)
    {
        MakeRoom(ids.Length);
        long end = _count;
        foreach (int length in segmentLengths)
            _segments.Add(end += length);
        Append(ids);
        _samples.Add(_segments.Count - 1);
    }

    /// <summary>Writes the last shard and gives the folder its name.</summary>
    /// <exception cref="InvalidInputException">Something cannot be written.</exception>
    public void Commit()
    {
        Flush(isLast: true);
        _folder.Commit();
    }

    /// <inheritdoc/>
    public void Dispose() => _folder.Dispose();

    /// <summary>The file name of a shard.</summary>
    public static string FileName(int index) => string.Create(CultureInfo.InvariantCulture, $"shard-{index:D5}.tokens");

    private void MakeRoom(int more)
    {
        if (_count > 0 && _count + more > _idsPerShard)
            Flush(isLast: false);
        long needed = (_count + more) * _vocabulary.BytesPerId + 7;
        if (needed > _ids.Length)
            Array.Resize(ref _ids, (int)Math.Min(Math.Max(needed, 2L * _ids.Length), Array.MaxLength));
    }

    private void Append(ReadOnlySpan<int> ids)
    {
        if (_vocabulary.BytesPerId == sizeof(ushort))
        {
            Span<ushort> target = MemoryMarshal.Cast<byte, ushort>(_ids.AsSpan())[(int)_count..];
            for (int i = 0; i < ids.Length; i++)
                target[i] = checked((ushort)ids[i]);
        }
        else
            MemoryMarshal.Cast<int, byte>(ids).CopyTo(_ids.AsSpan((int)(_count * sizeof(uint))));
        _count += ids.Length;
    }

    private void Flush(bool isLast)
    {
        ShardHeader header = new(
            _vocabulary, _sequenceLength, _endId, _count, _segments.Count - 1, _samples.Count - 1, _index, isLast);
        _ids.AsSpan((int)(_count * _vocabulary.BytesPerId)..(int)header.IdBytes).Clear();
        using (AtomicFile file = new(Path.Combine(_folder.Path, FileName(_index)), header.FileBytes))
        {
            file.Write(header.ToBytes());
            List<ulong> checksums = [];
            BlockStream blocks = new(file, checksums);
            blocks.Write(MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(_segments)));
            if (header.IsPacked)
                blocks.Write(MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(_samples)));
            blocks.Write(_ids.AsSpan(0, (int)header.IdBytes));
            blocks.Finish();
            ReadOnlySpan<byte> table = MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(checksums));
            file.Write(table);
            file.Write(BitConverter.GetBytes(XxHash3.HashToUInt64(table)));
            file.Commit();
        }
        CollectionsMarshal.SetCount(_segments, 1);
        CollectionsMarshal.SetCount(_samples, 1);
        _count = 0;
        _index++;
    }

    /// <summary>Cuts what is written into blocks and takes the checksum of each.</summary>
    private sealed class BlockStream(AtomicFile file, List<ulong> checksums)
    {
        private readonly byte[] _block = new byte[ShardHeader.BlockBytes];
        private int _filled;

        public void Write(ReadOnlySpan<byte> bytes)
        {
            while (bytes.Length > 0)
            {
                int part = Math.Min(bytes.Length, _block.Length - _filled);
                bytes[..part].CopyTo(_block.AsSpan(_filled));
                bytes = bytes[part..];
                _filled += part;
                if (_filled == _block.Length)
                    Finish();
            }
        }

        public void Finish()
        {
            if (_filled == 0)
                return;
            checksums.Add(XxHash3.HashToUInt64(_block.AsSpan(0, _filled)));
            file.Write(_block.AsSpan(0, _filled));
            _filled = 0;
        }
    }
}
