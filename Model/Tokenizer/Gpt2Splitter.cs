namespace Mellum2.Managed.Model;

/// <summary>
/// The matches of GPT-2's regex (Radford et al. 2019), see <see cref="Pattern"/>. They cover every text.
/// </summary>
/// <param name="isolateDigits">
/// Whether a <c>Digits</c> stage with individual digits goes before, done in the same pass: each <c>\p{N}</c> is a piece,
/// and a stretch ends before it.
/// </param>
internal sealed class Gpt2Splitter(bool isolateDigits) : Splitter
{
    /// <summary>The regex that this class matches.</summary>
    public const string Pattern = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    /// <inheritdoc/>
    public override int Next(ReadOnlySpan<byte> text, int start)
    {
        int kind = KindAt(text, start, out int length);
        if (kind == 0 && text[start] == '\'' && ContractionEnd(text, start) is > 0 and int contraction)
            return contraction;
        if (text[start] == ' ' && start + 1 < text.Length)
        {
            int next = KindAt(text, start + 1, out int nextLength);
            if (next == UnicodeClasses.Number && isolateDigits)
                return start + 1;
            if (next != UnicodeClasses.Space)
                return RunEnd(text, start + 1 + nextLength, next);
        }
        if (kind == UnicodeClasses.Number && isolateDigits)
            return start + length;
        if (kind != UnicodeClasses.Space)
            return RunEnd(text, start + length, kind);
        return SpacesEnd(text, start);
    }

    /// <summary><c>\s+(?!\S)|\s+</c>: the run of spaces, less its last one where something follows and another is left.</summary>
    private int SpacesEnd(ReadOnlySpan<byte> text, int start)
    {
        int last = start, end = start, kind = UnicodeClasses.Space;
        while (end < text.Length && (kind = KindAt(text, end, out int length)) == UnicodeClasses.Space)
        {
            last = end;
            end += length;
        }
        bool atEnd = end == text.Length || (isolateDigits && kind == UnicodeClasses.Number);
        return atEnd || last == start ? end : last;
    }

    private static int ContractionEnd(ReadOnlySpan<byte> text, int start)
    {
        if (start + 1 >= text.Length)
            return 0;
        byte first = text[start + 1], second = start + 2 < text.Length ? text[start + 2] : (byte)0;
        return first switch
        {
            (byte)'s' or (byte)'t' or (byte)'m' or (byte)'d' => start + 2,
            (byte)'r' or (byte)'v' when second == 'e' => start + 3,
            (byte)'l' when second == 'l' => start + 3,
            _ => 0,
        };
    }
}
