namespace Mellum2.Managed.Model;

/// <summary>
/// The matches of the regex that Qwen and Llama 3 share but for the digits that one piece may hold: 1
/// (<see cref="QwenPattern"/>) or 3 (<see cref="Llama3Pattern"/>). They cover every text.
/// </summary>
internal sealed class QwenSplitter(int maxDigits) : Splitter
{
    /// <summary>Qwen 2's regex: single digits.</summary>
    public const string QwenPattern = Head + @"\p{N}" + Tail;

    /// <summary>Llama 3's regex: up to three digits.</summary>
    public const string Llama3Pattern = Head + @"\p{N}{1,3}" + Tail;

    private const string Head = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|";
    private const string Tail = @"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <inheritdoc/>
    public override int Next(ReadOnlySpan<byte> text, int start)
    {
        byte first = text[start];
        if (first == '\'' && ContractionEnd(text, start) is > 0 and int contraction)
            return contraction;

        int kind = KindAt(text, start, out int length);
        if (kind == UnicodeClasses.Letter)
            return RunEnd(text, start + length, UnicodeClasses.Letter);
        if (kind == UnicodeClasses.Number)
            return DigitsEnd(text, start + length);

        int second = start + length, next = UnicodeClasses.Space, nextLength = 0;
        if (second < text.Length)
            next = KindAt(text, second, out nextLength);
        if (next == UnicodeClasses.Letter && first is not ((byte)'\r' or (byte)'\n'))
            return RunEnd(text, second + nextLength, UnicodeClasses.Letter);
        if (kind == 0)
            return NewlinesEnd(text, RunEnd(text, second, 0));
        if (first == ' ' && next == 0)
            return NewlinesEnd(text, RunEnd(text, second + nextLength, 0));
        return SpacesEnd(text, start);
    }

    private int DigitsEnd(ReadOnlySpan<byte> text, int end)
    {
        for (int digits = 1; digits < maxDigits && end < text.Length; digits++)
        {
            if (KindAt(text, end, out int length) != UnicodeClasses.Number)
                break;
            end += length;
        }
        return end;
    }

    private static int NewlinesEnd(ReadOnlySpan<byte> text, int end)
    {
        while (end < text.Length && text[end] is (byte)'\r' or (byte)'\n')
            end++;
        return end;
    }

    /// <summary><c>\s*[\r\n]+|\s+(?!\S)|\s+</c>: up to the run's last line break if there is one, else as in GPT-2.</summary>
    private int SpacesEnd(ReadOnlySpan<byte> text, int start)
    {
        int last = start, end = start, lineEnd = 0;
        while (end < text.Length && KindAt(text, end, out int length) == UnicodeClasses.Space)
        {
            last = end;
            end += length;
            if (text[last] is (byte)'\r' or (byte)'\n')
                lineEnd = end;
        }
        if (lineEnd > 0)
            return lineEnd;
        return end == text.Length || last == start ? end : last;
    }

    private static int ContractionEnd(ReadOnlySpan<byte> text, int start)
    {
        if (start + 1 >= text.Length)
            return 0;
        byte first = text[start + 1], second = start + 2 < text.Length ? text[start + 2] : (byte)0;
        switch (first | 0x20)
        {
            case 's' or 't' or 'm' or 'd':
                return start + 2;
            case 'r' or 'v' when (second | 0x20) == 'e':
            case 'l' when (second | 0x20) == 'l':
                return start + 3;
        }
        // U+017F, the long s, is an s when case is ignored.
        return first == 0xC5 && second == 0xBF ? start + 3 : 0;
    }
}
