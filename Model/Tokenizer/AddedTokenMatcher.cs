using System.Buffers;
using System.Text;

namespace Mellum2.Managed.Model;

/// <summary>
/// Finds added tokens in UTF-8 text: leftmost match first, the longest of those, without overlaps. A match that
/// <c>single_word</c> or the caller's mode rejects is passed over as a whole.
/// </summary>
internal sealed class AddedTokenMatcher
{
    private readonly SearchValues<byte> _firstBytes;
    private readonly Dictionary<int, int> _edges = [];
    private readonly List<AddedToken?> _nodes = [null];

    /// <summary>Creates a matcher.</summary>
    /// <param name="tokens">The tokens; of two that are looked for as the same text the first counts.</param>
    /// <param name="textOf">The text that is looked for.</param>
    public AddedTokenMatcher(IEnumerable<AddedToken> tokens, Func<AddedToken, string> textOf)
    {
        var firstBytes = new HashSet<byte>();
        foreach (AddedToken token in tokens)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(textOf(token));
            int node = 0;
            foreach (byte b in bytes)
            {
                if (!_edges.TryGetValue(Edge(node, b), out int child))
                {
                    _edges.Add(Edge(node, b), child = _nodes.Count);
                    _nodes.Add(null);
                }
                node = child;
            }
            _nodes[node] ??= token;
            firstBytes.Add(bytes[0]);
        }
        _firstBytes = SearchValues.Create([.. firstBytes]);
    }

    /// <summary>Finds the next accepted match.</summary>
    /// <param name="text">The whole text.</param>
    /// <param name="position">Where to look from; moved behind the match (behind the token itself, not what it swallows).</param>
    /// <param name="specialAsText">Whether special tokens are passed over.</param>
    /// <param name="start">Where the token, with the spaces it swallows, starts; this may be inside what the match before took.</param>
    /// <param name="end">Where it ends.</param>
    /// <returns>The token, or null if there is none.</returns>
    public AddedToken? Find(ReadOnlySpan<byte> text, ref int position, bool specialAsText, out int start, out int end)
    {
        while (position < text.Length)
        {
            int offset = text[position..].IndexOfAny(_firstBytes);
            if (offset < 0)
                break;
            start = position + offset;
            AddedToken? token = Longest(text, start, out end);
            position = token is null ? start + 1 : end;
            if (token is null || (token.Special && specialAsText) || (token.SingleWord && !StandsAlone(text, start, end)))
                continue;
            if (token.LeftStrip)
                start = SpacesStart(text, start);
            if (token.RightStrip)
                end = SpacesEnd(text, end);
            return token;
        }
        position = start = end = text.Length;
        return null;
    }

    private static int Edge(int node, byte b) => (node << 8) | b;

    private AddedToken? Longest(ReadOnlySpan<byte> text, int start, out int end)
    {
        AddedToken? longest = null;
        end = start;
        int node = 0;
        for (int i = start; i < text.Length && _edges.TryGetValue(Edge(node, text[i]), out node); i++)
        {
            if (_nodes[node] is not { } token)
                continue;
            longest = token;
            end = i + 1;
        }
        return longest;
    }

    private static bool StandsAlone(ReadOnlySpan<byte> text, int start, int end) =>
        (start == 0 || !Is(text, Utf8Text.StartOfLast(text, start), UnicodeClasses.Word, out _))
        && (end == text.Length || !Is(text, end, UnicodeClasses.Word, out _));

    private static int SpacesStart(ReadOnlySpan<byte> text, int start)
    {
        while (start > 0 && Utf8Text.StartOfLast(text, start) is var last && Is(text, last, UnicodeClasses.Space, out _))
            start = last;
        return start;
    }

    private static int SpacesEnd(ReadOnlySpan<byte> text, int end)
    {
        while (end < text.Length && Is(text, end, UnicodeClasses.Space, out int length))
            end += length;
        return end;
    }

    private static bool Is(ReadOnlySpan<byte> text, int index, byte flag, out int length) =>
        (UnicodeClasses.Instance.Of(Utf8Text.Decode(text, index, out length)) & flag) != 0;
}
