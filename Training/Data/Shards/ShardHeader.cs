using System.Buffers.Binary;
using System.IO.Hashing;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Training;

/// <summary>
/// The first 128 bytes of a shard, little-endian:
/// <code>
///   0  "M2TOKENS"            40  u64 segments
///   8  u32 version, 1        48  u64 samples, 0 for documents
///  12  u32 sequence length,  56  u32 number of the shard
///      0 for documents       60  u32 1 for the last shard
///  16  u32 bytes per id      64  i32 id of the end of a document
///  20  u32 vocabulary size   68  zeros
///  24  u64 vocabulary hash  120  u64 XXH3 of the 120 bytes before
///  32  u64 ids
/// </code>
/// Behind it stand: u64 [segments + 1], where each segment begins among the ids; if there is a sequence length, u64 [samples + 1],
/// where each sample begins among the segments; the ids; zeros up to a multiple of eight; u64 for each 65,536 bytes of all that
/// (XXH3); u64, the XXH3 of those.
/// A segment is a document, or in a packed shard a document or a part of one.
/// </summary>
/// <param name="Vocabulary">What the ids mean.</param>
/// <param name="SequenceLength">The tokens that a sample has room for; 0 in a shard of documents.</param>
/// <param name="EndId">The token at the end of each document.</param>
/// <param name="Ids">How many ids there are.</param>
/// <param name="Segments">How many segments there are.</param>
/// <param name="Samples">How many samples there are.</param>
/// <param name="Index">The number of the shard among those of its data set.</param>
/// <param name="IsLast">Whether it is the last one.</param>
internal readonly record struct ShardHeader(
    VocabularyIdentity Vocabulary, int SequenceLength, int EndId, long Ids, long Segments, long Samples, int Index, bool IsLast)
{
    public const int ByteLength = 128;
    public const int BlockBytes = 1 << 16;
    private const uint Version = 1;
    private const int ChecksumOffset = 120;

    private static ReadOnlySpan<byte> Magic => "M2TOKENS"u8;

    /// <summary>Whether the shard holds samples and not documents.</summary>
    public bool IsPacked => SequenceLength > 0;

    /// <summary>The bytes of the two tables of boundaries.</summary>
    public long BoundaryBytes => checked(sizeof(long) * (Segments + 1 + (IsPacked ? Samples + 1 : 0)));

    /// <summary>The bytes of the ids, with the zeros behind them.</summary>
    public long IdBytes => checked((Ids * Vocabulary.BytesPerId + 7) & ~7L);

    /// <summary>How many blocks have a checksum.</summary>
    public long Blocks => (checked(BoundaryBytes + IdBytes) + BlockBytes - 1) / BlockBytes;

    /// <summary>The size of the whole file.</summary>
    public long FileBytes => checked(ByteLength + BoundaryBytes + IdBytes + sizeof(ulong) * (Blocks + 1));

    public byte[] ToBytes()
    {
        byte[] bytes = new byte[ByteLength];
        Magic.CopyTo(bytes);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(8), Version);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(12), SequenceLength);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(16), Vocabulary.BytesPerId);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(20), Vocabulary.Size);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(24), Vocabulary.Hash);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(32), Ids);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(40), Segments);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(48), Samples);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(56), Index);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(60), IsLast ? 1 : 0);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(64), EndId);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(ChecksumOffset), XxHash3.HashToUInt64(bytes.AsSpan(0, ChecksumOffset)));
        return bytes;
    }

    /// <summary>Reads a header and refuses what does not fit a file of that size.</summary>
    /// <param name="bytes">The file's first bytes.</param>
    /// <param name="fileBytes">The file's size.</param>
    /// <param name="name">The file's name.</param>
    /// <exception cref="InvalidInputException">It is no shard, or is cut or altered.</exception>
    public static ShardHeader Read(ReadOnlySpan<byte> bytes, long fileBytes, string name)
    {
        if (bytes.Length < ByteLength || !bytes.StartsWith(Magic))
            throw new InvalidInputException($"{name} is no shard of tokens: it does not begin like one.");
        if (BinaryPrimitives.ReadUInt64LittleEndian(bytes[ChecksumOffset..]) != XxHash3.HashToUInt64(bytes[..ChecksumOffset]))
            throw new InvalidInputException($"{name} is damaged: the checksum of its header is wrong.");
        uint version = BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]);
        if (version != Version)
            throw new InvalidInputException($"{name} is a shard of version {version}, but {Version} is expected.");
        ShardHeader header = new(
            new VocabularyIdentity(BinaryPrimitives.ReadInt32LittleEndian(bytes[20..]), BinaryPrimitives.ReadUInt64LittleEndian(bytes[24..])),
            BinaryPrimitives.ReadInt32LittleEndian(bytes[12..]),
            BinaryPrimitives.ReadInt32LittleEndian(bytes[64..]),
            BinaryPrimitives.ReadInt64LittleEndian(bytes[32..]),
            BinaryPrimitives.ReadInt64LittleEndian(bytes[40..]),
            BinaryPrimitives.ReadInt64LittleEndian(bytes[48..]),
            BinaryPrimitives.ReadInt32LittleEndian(bytes[56..]),
            BinaryPrimitives.ReadInt32LittleEndian(bytes[60..]) != 0);
        // Each count is bounded by the file before sizes are computed of them, so that no product overflows.
        bool isPossible = header is { SequenceLength: >= 0, Vocabulary.Size: > 0, Index: >= 0 }
            && BinaryPrimitives.ReadInt32LittleEndian(bytes[16..]) == header.Vocabulary.BytesPerId
            && (ulong)header.Ids <= (ulong)fileBytes && (ulong)header.Segments <= (ulong)fileBytes
            && (uint)header.EndId < (uint)header.Vocabulary.Size
            && (ulong)header.Samples <= (ulong)fileBytes && (header.IsPacked || header.Samples == 0);
        if (!isPossible || header.FileBytes != fileBytes)
        {
            throw new InvalidInputException(
                $"{name} is damaged: it has {fileBytes:N0} bytes, which is not the size that its header describes.");
        }
        return header;
    }
}
