using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>What ids mean: shards carry it, so that ids are never read with another vocabulary than they were written with.</summary>
/// <param name="Size">The highest id + 1.</param>
/// <param name="Hash">XXH3 (64 bits) over all tokens in the order of their ids, and which of them are special.</param>
public readonly record struct VocabularyIdentity(int Size, ulong Hash)
{
    /// <summary>The bytes that an id takes in a shard: 2 where the vocabulary fits, otherwise 4.</summary>
    public int BytesPerId => Size <= 1 << 16 ? sizeof(ushort) : sizeof(uint);

    /// <summary>The identity of a tokenizer's vocabulary.</summary>
    public static VocabularyIdentity Of(Tokenizer tokenizer)
    {
        XxHash3 hash = new();
        for (int id = 0; id < tokenizer.VocabularySize; id++)
        {
            byte[] piece = tokenizer.Piece(id) is { } text ? Encoding.UTF8.GetBytes(text) : [];
            int[] frame = [id, piece.Length, tokenizer.IsSpecial(id) ? 1 : 0];
            hash.Append(MemoryMarshal.AsBytes<int>(frame));
            hash.Append(piece);
        }
        return new VocabularyIdentity(tokenizer.VocabularySize, hash.GetCurrentHashAsUInt64());
    }

    /// <summary>Refuses another vocabulary.</summary>
    /// <param name="other">What was found.</param>
    /// <param name="where">What has it, for the message.</param>
    /// <exception cref="InvalidInputException">They differ.</exception>
    public void Require(VocabularyIdentity other, string where)
    {
        if (this != other)
        {
            throw new InvalidInputException(
                $"{where} was written with a vocabulary of {other.Size:N0} tokens (hash {other.Hash:x16}), but one of {Size:N0} (hash {Hash:x16}) is expected.");
        }
    }
}
