using System.Text;

namespace Mellum2.Managed.Model;

/// <summary>
/// Watches streamed UTF-8 for stop strings. Bytes that may be the beginning of one are held back until that is decided,
/// so no part of a stop string is ever passed on. Allocates nothing after construction.
/// </summary>
public sealed class StopMatcher
{
    private readonly byte[][] _stops;
    private readonly byte[] _held;
    private int _heldCount;

    /// <summary>A matcher for these strings; empty ones are ignored.</summary>
    public StopMatcher(IEnumerable<string> stops)
    {
        _stops = [.. stops.Where(stop => stop.Length > 0).Select(Encoding.UTF8.GetBytes)];
        _held = new byte[_stops.Length == 0 ? 0 : _stops.Max(stop => stop.Length)];
    }

    /// <summary>The most bytes that are held back.</summary>
    public int MostHeld => _held.Length;

    /// <summary>Takes bytes and gives back those that no stop string can claim any more.</summary>
    /// <param name="bytes">The next bytes.</param>
    /// <param name="output">Room for <see cref="MostHeld"/> + bytes.Length bytes.</param>
    /// <param name="stopped">Whether a stop string is complete; the output ends before it.</param>
    /// <returns>The bytes written.</returns>
    public int Append(ReadOnlySpan<byte> bytes, Span<byte> output, out bool stopped)
    {
        stopped = false;
        int written = 0;
        foreach (byte value in bytes)
        {
            if (_stops.Length == 0)
            {
                output[written++] = value;
                continue;
            }
            if (_heldCount == _held.Length)
                written += Release(1, output[written..]);
            _held[_heldCount++] = value;
            if (EndsWithStop(out int length))
            {
                written += Release(_heldCount - length, output[written..]);
                _heldCount = 0;
                stopped = true;
                return written;
            }
            written += Release(_heldCount - LongestBeginning(), output[written..]);
        }
        return written;
    }

    /// <summary>The end of the text: what is held back was no stop string.</summary>
    public int Flush(Span<byte> output) => Release(_heldCount, output);

    private int Release(int count, Span<byte> output)
    {
        _held.AsSpan(0, count).CopyTo(output);
        _heldCount -= count;
        _held.AsSpan(count, _heldCount).CopyTo(_held);
        return count;
    }

    private bool EndsWithStop(out int length)
    {
        ReadOnlySpan<byte> held = _held.AsSpan(0, _heldCount);
        length = 0;
        foreach (byte[] stop in _stops)
            if (held.EndsWith(stop) && stop.Length > length)
                length = stop.Length;
        return length > 0;
    }

    /// <summary>The longest suffix of what is held that is the beginning of a stop string.</summary>
    private int LongestBeginning()
    {
        for (int start = 0; start < _heldCount; start++)
            foreach (byte[] stop in _stops)
                if (stop.AsSpan().StartsWith(_held.AsSpan(start, _heldCount - start)))
                    return _heldCount - start;
        return 0;
    }
}
