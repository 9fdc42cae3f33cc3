using System.Globalization;
using System.Numerics;
using System.Text;

namespace Mellum2.Managed.Model;

/// <summary>Python's view of text: white space, code points as positions, letters' case, whole numbers.</summary>
internal static class PythonText
{
    /// <summary>str.isspace: White_Space and U+001C to U+001F, which .NET counts as control characters.</summary>
    public static bool IsSpace(char c) => char.IsWhiteSpace(c) || c is >= '\u001c' and <= '\u001f';

    /// <summary>Removes leading and trailing characters; <paramref name="characters"/> null means white space.</summary>
    public static string Strip(string text, string? characters, bool left, bool right)
    {
        int start = 0, end = text.Length;
        while (left && start < end && Rune.DecodeFromUtf16(text.AsSpan(start, end - start), out Rune first, out int width) >= 0
            && IsIn(first, text.AsSpan(start, width), characters))
        {
            start += width;
        }
        while (right && end > start && Rune.DecodeLastFromUtf16(text.AsSpan(start, end - start), out Rune last, out int width) >= 0
            && IsIn(last, text.AsSpan(end - width, width), characters))
        {
            end -= width;
        }
        return text[start..end];

        static bool IsIn(Rune rune, ReadOnlySpan<char> unit, string? characters) =>
            characters is null ? rune.IsBmp && IsSpace((char)rune.Value) : characters.AsSpan().IndexOf(unit, StringComparison.Ordinal) >= 0;
    }

    public static int Length(string text)
    {
        int pairs = 0;
        for (int i = text.AsSpan().IndexOfAnyInRange('\ud800', '\udbff'); i >= 0 && i + 1 < text.Length; i++)
            if (char.IsSurrogatePair(text[i], text[i + 1])) pairs++;
        return text.Length - pairs;
    }

    /// <summary>The text's code points, one string each.</summary>
    public static List<object?> CodePoints(string text)
    {
        List<object?> points = new(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            bool pair = i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]);
            points.Add(pair ? text.Substring(i++, 2) : text[i].ToString());
        }
        return points;
    }

    /// <summary>The index of the UTF-16 unit at which code point number <paramref name="index"/> starts.</summary>
    public static int UnitOf(string text, int index)
    {
        int unit = 0;
        for (; index > 0 && unit < text.Length; index--)
            unit += unit + 1 < text.Length && char.IsSurrogatePair(text[unit], text[unit + 1]) ? 2 : 1;
        return unit;
    }

    /// <summary>Order by code point; UTF-16 order differs where surrogates meet U+E000 and above.</summary>
    public static int Compare(string a, string b)
    {
        int length = Math.Min(a.Length, b.Length);
        int at = a.AsSpan(0, length).CommonPrefixLength(b.AsSpan(0, length));
        if (at == length) return a.Length.CompareTo(b.Length);
        bool high = char.IsSurrogate(a[at]);
        return high == char.IsSurrogate(b[at]) ? a[at].CompareTo(b[at]) : high ? 1 : -1;
    }

    /// <summary>
    /// str.upper, with the commonest characters whose upper case is several letters (ß, Latin ligatures); the Armenian
    /// ligatures and the Greek letters with iota subscript keep their one-letter form.
    /// </summary>
    public static string Upper(string text) => Map(text, Rune.ToUpperInvariant, upper: true);

    /// <summary>str.lower, with the final sigma and İ.</summary>
    public static string Lower(string text) => Map(text, Rune.ToLowerInvariant, upper: false);

    private static string Map(string text, Func<Rune, Rune> map, bool upper)
    {
        StringBuilder result = new(text.Length);
        int at = 0;
        foreach (Rune rune in text.EnumerateRunes())
        {
            string? several = upper ? SeveralUpper(rune.Value) : rune.Value == 0x130 ? "i\u0307" : null;
            if (several is not null) result.Append(several);
            else if (!upper && rune.Value == 0x3a3 && IsFinalSigma(text, at)) result.Append('\u03c2');
            else result.Append(map(rune).ToString());
            at += rune.Utf16SequenceLength;
        }
        return result.ToString();
    }

    private static string? SeveralUpper(int code) => code switch
    {
        0xdf => "SS",
        0x149 => "\u02bcN",
        0x1f0 => "J\u030c",
        0x390 => "\u0399\u0308\u0301",
        0x3b0 => "\u03a5\u0308\u0301",
        0x587 => "\u0535\u0552",
        0xfb00 => "FF",
        0xfb01 => "FI",
        0xfb02 => "FL",
        0xfb03 => "FFI",
        0xfb04 => "FFL",
        0xfb05 or 0xfb06 => "ST",
        _ => null,
    };

    private static bool IsFinalSigma(string text, int at)
    {
        int before = at - 1, after = at + 1;
        while (before >= 0 && IsIgnorable(text[before])) before--;
        while (after < text.Length && IsIgnorable(text[after])) after++;
        return before >= 0 && char.IsLetter(text[before]) && !(after < text.Length && char.IsLetter(text[after]));

        static bool IsIgnorable(char c) => c is '\'' or '.' or ':' or '\u00b7' or '\u2019'
            || char.GetUnicodeCategory(c) is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.Format
                or UnicodeCategory.ModifierLetter or UnicodeCategory.ModifierSymbol;
    }

    public static string Capitalize(string text)
    {
        if (text.Length == 0) return text;
        int first = text.Length > 1 && char.IsSurrogatePair(text[0], text[1]) ? 2 : 1;
        return Upper(text[..first]) + Lower(text)[first..];
    }

    /// <summary>str.title: a letter is upper case where no letter stands before it.</summary>
    public static string Title(string text)
    {
        StringBuilder result = new(text.Length);
        bool inWord = false;
        foreach (Rune rune in text.EnumerateRunes())
        {
            result.Append(inWord ? Rune.ToLowerInvariant(rune).ToString() : Rune.ToUpperInvariant(rune).ToString());
            inWord = Rune.IsUpper(rune) || Rune.IsLower(rune) || Rune.GetUnicodeCategory(rune) == UnicodeCategory.TitlecaseLetter;
        }
        return result.ToString();
    }

    /// <summary>A whole number as Python reads it: base 0 looks at the prefix. Null if the text is none.</summary>
    public static BigInteger? TryParseInteger(string text, int radix)
    {
        text = Strip(text, null, true, true);
        bool negative = text.StartsWith('-');
        if (negative || text.StartsWith('+')) text = text[1..];
        int prefix = text.Length > 1 && text[0] == '0' ? char.ToLowerInvariant(text[1]) switch { 'x' => 16, 'o' => 8, 'b' => 2, _ => 0 } : 0;
        if (prefix != 0 && (radix == 0 || radix == prefix))
        {
            text = text[2..].TrimStart('_');
            radix = prefix;
        }
        if (radix == 0) radix = 10;
        if (text.Length == 0 || text[0] == '_' || text[^1] == '_' || text.Contains("__", StringComparison.Ordinal)) return null;
        text = text.Replace("_", "", StringComparison.Ordinal);
        BigInteger value = BigInteger.Zero;
        if (radix == 10 && !text.AsSpan().ContainsAnyExceptInRange('0', '9'))
        {
            value = BigInteger.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);
        }
        else
        {
            if (text.Length > 20_000) return null;
            foreach (char c in text)
            {
                int digit = char.IsAsciiDigit(c) ? c - '0' : char.IsAsciiLetter(c) ? char.ToLowerInvariant(c) - 'a' + 10 : 99;
                if (digit >= radix) return null;
                value = value * radix + digit;
            }
        }
        return negative ? -value : value;
    }

    public static BigInteger ParseInteger(string digits, int radix) => TryParseInteger(digits, radix) ?? BigInteger.Zero;
}
