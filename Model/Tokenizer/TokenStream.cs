using System.Buffers;
using System.Text;

namespace Mellum2.Managed.Model;

/// <summary>
/// Decodes ids one after the other to UTF-8, for output while it is generated. A character whose bytes have not all arrived
/// is held back; each maximal invalid part becomes U+FFFD. All output joined equals the decoding of all ids at once.
/// Allocates nothing. Not for use by two threads at once.
/// </summary>
public sealed class TokenStream
{
    private const int ReplacementLength = 3;
    private const int MaxPending = 3;

    private readonly Vocabulary _vocabulary;
    private readonly bool _skipSpecial;
    private readonly byte[] _pending = new byte[MaxPending];
    private int _pendingCount;

    internal TokenStream(Vocabulary vocabulary, bool skipSpecial)
    {
        _vocabulary = vocabulary;
        _skipSpecial = skipSpecial;
        MaxBytesPerToken = ReplacementLength * (vocabulary.MaxTokenLength + 1);
    }

    /// <summary>The most bytes that one <see cref="Append(int, Span{byte})"/> or <see cref="Flush"/> writes.</summary>
    public int MaxBytesPerToken { get; }

    /// <summary>Decodes one more id. An id that no token has stands for nothing.</summary>
    /// <param name="id">The id.</param>
    /// <param name="utf8">Where to write; at least <see cref="MaxBytesPerToken"/> bytes.</param>
    /// <returns>How many bytes were written: whole characters only, perhaps none.</returns>
    /// <exception cref="ArgumentException"><paramref name="utf8"/> is too short; the stream is as it was.</exception>
    public int Append(int id, Span<byte> utf8)
    {
        RequireRoom(utf8.Length, MaxBytesPerToken);
        if (_skipSpecial && _vocabulary.IsSpecial(id))
            return 0;
        ReadOnlySpan<byte> bytes = _vocabulary.Bytes(id);
        if (bytes.IsEmpty)
            return 0;
        if (_pendingCount == 0 && _vocabulary.IsValidUtf8(id))
        {
            bytes.CopyTo(utf8);
            return bytes.Length;
        }
        int written = 0;
        bytes = CompletePending(bytes, utf8, ref written);
        while (!bytes.IsEmpty)
        {
            OperationStatus status = Rune.DecodeFromUtf8(bytes, out Rune rune, out int consumed);
            if (status == OperationStatus.NeedMoreData)
            {
                bytes.CopyTo(_pending);
                _pendingCount = bytes.Length;
                break;
            }
            written += rune.EncodeToUtf8(utf8[written..]);
            bytes = bytes[consumed..];
        }
        return written;
    }

    /// <summary>Decodes more ids.</summary>
    /// <param name="ids">The ids.</param>
    /// <param name="utf8">Where to write; at least <see cref="MaxBytesPerToken"/> bytes for each id.</param>
    /// <returns>How many bytes were written: whole characters only, perhaps none.</returns>
    /// <exception cref="ArgumentException"><paramref name="utf8"/> is too short; the stream is as it was.</exception>
    public int Append(ReadOnlySpan<int> ids, Span<byte> utf8)
    {
        RequireRoom(utf8.Length, (long)MaxBytesPerToken * ids.Length);
        int written = 0;
        foreach (int id in ids)
            written += Append(id, utf8[written..]);
        return written;
    }

    /// <summary>Ends the text: what is still held back becomes one U+FFFD. The stream can then be used for another text.</summary>
    /// <param name="utf8">Where to write; at least 3 bytes.</param>
    /// <returns>How many bytes were written: 0 or 3.</returns>
    /// <exception cref="ArgumentException"><paramref name="utf8"/> is too short; the stream is as it was.</exception>
    public int Flush(Span<byte> utf8)
    {
        RequireRoom(utf8.Length, ReplacementLength);
        if (_pendingCount == 0)
            return 0;
        _pendingCount = 0;
        return Rune.ReplacementChar.EncodeToUtf8(utf8);
    }

    /// <summary>Decodes the characters that begin in the pending bytes; returns the bytes behind them.</summary>
    private ReadOnlySpan<byte> CompletePending(ReadOnlySpan<byte> bytes, Span<byte> utf8, scoped ref int written)
    {
        if (_pendingCount == 0)
            return bytes;
        Span<byte> window = stackalloc byte[2 * MaxPending];
        int taken = Math.Min(MaxPending, bytes.Length);
        _pending.AsSpan(0, _pendingCount).CopyTo(window);
        bytes[..taken].CopyTo(window[_pendingCount..]);
        window = window[..(_pendingCount + taken)];
        // Pending bytes are the start of one character (Append keeps no others), so one step goes beyond them
        // or the window ends inside that character, and then it holds all bytes there are.
        OperationStatus status = Rune.DecodeFromUtf8(window, out Rune rune, out int consumed);
        if (status == OperationStatus.NeedMoreData)
        {
            window.CopyTo(_pending);
            _pendingCount = window.Length;
            return default;
        }
        written += rune.EncodeToUtf8(utf8[written..]);
        int used = consumed - _pendingCount;
        _pendingCount = 0;
        return bytes[used..];
    }

    private static void RequireRoom(int length, long needed)
    {
        if (length < needed)
            throw new ArgumentException($"{needed} bytes of room are needed to decode, {length} are given.");
    }
}
