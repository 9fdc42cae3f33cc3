using System.Globalization;
using System.Numerics;
using System.Text;

namespace Mellum2.Managed.Model;

/// <summary>The methods of Python's str. Positions count code points.</summary>
internal static class JinjaTextMethods
{
    public static Func<JinjaRuntime, JinjaArguments, object?>? Find(string text, string name) => name switch
    {
        "strip" or "lstrip" or "rstrip" => (runtime, arguments) =>
            runtime.Made(PythonText.Strip(text, OptionalText(runtime, arguments, name, "chars"), name != "rstrip", name != "lstrip")),
        "split" or "rsplit" => (runtime, arguments) => Split(runtime, text, arguments, fromRight: name == "rsplit"),
        "splitlines" => (runtime, arguments) => SplitLines(runtime, text, JinjaValues.IsTrue(Given(arguments.Bind(runtime, name, "keepends")[0]))),
        "startswith" or "endswith" => (runtime, arguments) => Affix(runtime, text, arguments, name),
        "replace" => (runtime, arguments) =>
        {
            object?[] bound = arguments.Bind(runtime, name, "old", "new", "count");
            return Replace(runtime, text, Text(runtime, bound[0], name), Text(runtime, bound[1], name), Whole(runtime, bound[2], name));
        }
        ,
        "upper" => None(name, () => PythonText.Upper(text)),
        "lower" => None(name, () => PythonText.Lower(text)),
        "title" => None(name, () => PythonText.Title(text)),
        "capitalize" => None(name, () => PythonText.Capitalize(text)),
        "find" or "rfind" or "index" or "rindex" => (runtime, arguments) => Position(runtime, text, arguments, name),
        "count" => (runtime, arguments) => new BigInteger(Count(runtime, text, Text(runtime, arguments.Bind(runtime, name, "sub")[0], name))),
        "join" => (runtime, arguments) =>
        {
            IReadOnlyList<object?> items = JinjaValues.Iterate(runtime, arguments.Bind(runtime, name, "iterable")[0]);
            return Join(runtime, text, [.. items.Select(item => Text(runtime, item, name))]);
        }
        ,
        "partition" or "rpartition" => (runtime, arguments) => Partition(runtime, text, arguments, name),
        "removeprefix" => (runtime, arguments) =>
            Text(runtime, arguments.Bind(runtime, name, "prefix")[0], name) is var prefix && text.StartsWith(prefix, StringComparison.Ordinal) ? text[prefix.Length..] : text,
        "removesuffix" => (runtime, arguments) =>
            Text(runtime, arguments.Bind(runtime, name, "suffix")[0], name) is var suffix && text.EndsWith(suffix, StringComparison.Ordinal) ? text[..^suffix.Length] : text,
        "ljust" or "rjust" or "center" or "zfill" => (runtime, arguments) => Pad(runtime, text, arguments, name),
        "format" => (runtime, arguments) => PythonTemplates.Braces(runtime, text, arguments),
        "isspace" => None(name, () => text.Length > 0 && text.All(PythonText.IsSpace)),
        "islower" => None(name, () => JinjaMethods.HasCase(text, upper: false)),
        "isupper" => None(name, () => JinjaMethods.HasCase(text, upper: true)),
        "isalpha" => Every(text, name, Rune.IsLetter),
        "isdecimal" => Every(text, name, Rune.IsDigit),
        "isdigit" => Every(text, name, rune => CharUnicodeInfo.GetDigitValue(rune.ToString(), 0) >= 0),
        "isnumeric" => Every(text, name, IsNumeric),
        "isalnum" => Every(text, name, rune => Rune.IsLetter(rune) || IsNumeric(rune)),
        "isascii" => None(name, () => Ascii.IsValid(text)),
        "isprintable" => None(name, () => text.EnumerateRunes().All(rune => PythonFormat.IsPrintable(rune.Value))),
        _ => null,
    };

    private static bool IsNumeric(Rune rune) => CharUnicodeInfo.GetNumericValue(rune.ToString(), 0) >= 0 || Rune.IsNumber(rune);

    private static Func<JinjaRuntime, JinjaArguments, object?> None(string name, Func<object> value) => (runtime, arguments) =>
    {
        arguments.Bind(runtime, name);
        object result = value();
        return result is string text ? runtime.Made(text) : result;
    };

    private static Func<JinjaRuntime, JinjaArguments, object?> Every(string text, string name, Func<Rune, bool> holds) =>
        None(name, () => text.Length > 0 && text.EnumerateRunes().All(holds));

    private static object? Given(object? value) => ReferenceEquals(value, JinjaArguments.Missing) ? null : value;

    private static string Text(JinjaRuntime runtime, object? value, string method) => value as string
        ?? throw (value is JinjaUndefined undefined ? runtime.Fail(undefined.Message)
            : ReferenceEquals(value, JinjaArguments.Missing) ? runtime.Fail($"'{method}' got too few arguments")
            : runtime.Fail($"'{method}' needs a text, not a {JinjaValues.TypeName(value)}"));

    private static string? OptionalText(JinjaRuntime runtime, JinjaArguments arguments, string method, string parameter) =>
        Given(arguments.Bind(runtime, method, parameter)[0]) is object value ? Text(runtime, value, method) : null;

    /// <summary>A count or position; -1 when it is not given.</summary>
    private static int Whole(JinjaRuntime runtime, object? value, string method)
    {
        if (ReferenceEquals(value, JinjaArguments.Missing)) return -1;
        if (!JinjaValues.TryNumber(runtime.Defined(value), out BigInteger whole, out _, out bool isReal) || isReal)
            throw runtime.Fail($"'{method}' needs a whole number, not a {JinjaValues.TypeName(value)}");
        return (int)BigInteger.Max(int.MinValue, BigInteger.Min(int.MaxValue, whole));
    }

    public static string Join(JinjaRuntime runtime, string separator, IReadOnlyList<string> parts)
    {
        long length = (long)separator.Length * Math.Max(0, parts.Count - 1);
        foreach (string part in parts) length += part.Length;
        runtime.Charge(length);
        return string.Join(separator, parts);
    }

    public static string Replace(JinjaRuntime runtime, string text, string old, string replacement, int count)
    {
        if (count == 0) return text;
        if (old.Length == 0) return ReplaceEmpty(runtime, text, replacement, count);
        int found = Count(runtime, text, old);
        int times = count < 0 ? found : Math.Min(count, found);
        runtime.Charge(text.Length + (long)times * (replacement.Length - old.Length));
        if (times == found) return text.Replace(old, replacement, StringComparison.Ordinal);
        StringBuilder result = new();
        int at = 0;
        for (; times > 0; times--)
        {
            int next = text.IndexOf(old, at, StringComparison.Ordinal);
            result.Append(text, at, next - at).Append(replacement);
            at = next + old.Length;
        }
        return result.Append(text, at, text.Length - at).ToString();
    }

    /// <summary>The empty text stands before every character and at the end.</summary>
    private static string ReplaceEmpty(JinjaRuntime runtime, string text, string replacement, int count)
    {
        List<object?> points = PythonText.CodePoints(text);
        if (count < 0) count = int.MaxValue;
        runtime.Charge(text.Length + (long)replacement.Length * Math.Min(count, points.Count + 1));
        StringBuilder result = new();
        for (int i = 0; i < points.Count; i++)
        {
            if (i < count) result.Append(replacement);
            result.Append((string)points[i]!);
        }
        if (points.Count < count) result.Append(replacement);
        return result.ToString();
    }

    private static int Count(JinjaRuntime runtime, string text, string part)
    {
        runtime.Work(text.Length);
        if (part.Length == 0) return PythonText.Length(text) + 1;
        int count = 0;
        for (int at = 0; (at = text.IndexOf(part, at, StringComparison.Ordinal)) >= 0; at += part.Length) count++;
        return count;
    }

    private static JinjaList Split(JinjaRuntime runtime, string text, JinjaArguments arguments, bool fromRight)
    {
        string name = fromRight ? "rsplit" : "split";
        object?[] bound = arguments.Bind(runtime, name, "sep", "maxsplit");
        string? separator = Given(bound[0]) is object given ? Text(runtime, given, name) : null;
        int most = Whole(runtime, bound[1], name);
        if (separator is { Length: 0 }) throw runtime.Fail($"the separator of '{name}' is empty");
        if (most < 0) most = int.MaxValue;
        runtime.Charge(text.Length);
        if (separator is not null) runtime.ChargeItems(Math.Min(most, Count(runtime, text, separator)) + 1L);
        List<object?> parts = [];
        if (separator is null)
        {
            SplitAtSpace(text, most, fromRight, parts);
        }
        else if (!fromRight)
        {
            int at = 0;
            for (int next; parts.Count < most && (next = text.IndexOf(separator, at, StringComparison.Ordinal)) >= 0; at = next + separator.Length) parts.Add(text[at..next]);
            parts.Add(text[at..]);
        }
        else
        {
            int end = text.Length;
            for (int next; parts.Count < most && (next = text.AsSpan(0, end).LastIndexOf(separator, StringComparison.Ordinal)) >= 0; end = next) parts.Add(text[(next + separator.Length)..end]);
            parts.Add(text[..end]);
            parts.Reverse();
        }
        return new JinjaList(parts);
    }

    private static void SplitAtSpace(string text, int most, bool fromRight, List<object?> parts)
    {
        int start = 0, end = text.Length;
        while (true)
        {
            while (start < end && PythonText.IsSpace(text[fromRight ? end - 1 : start])) _ = fromRight ? end-- : start++;
            if (start == end) break;
            int at = fromRight ? end : start;
            if (parts.Count == most)
            {
                parts.Add(fromRight ? text[..end] : text[start..]);
                break;
            }
            if (fromRight)
            {
                while (at > start && !PythonText.IsSpace(text[at - 1])) at--;
                parts.Add(text[at..end]);
                end = at;
            }
            else
            {
                while (at < end && !PythonText.IsSpace(text[at])) at++;
                parts.Add(text[start..at]);
                start = at;
            }
        }
        if (fromRight) parts.Reverse();
    }

    private static JinjaList SplitLines(JinjaRuntime runtime, string text, bool keepEnds)
    {
        runtime.Charge(text.Length);
        List<object?> lines = [];
        for (int start = 0; start < text.Length;)
        {
            int end = start;
            while (end < text.Length && text[end] is not ('\n' or '\r' or '\v' or '\f' or '\u001c' or '\u001d' or '\u001e' or '\u0085' or '\u2028' or '\u2029')) end++;
            int next = end == text.Length ? end : text[end] == '\r' && end + 1 < text.Length && text[end + 1] == '\n' ? end + 2 : end + 1;
            lines.Add(text[start..(keepEnds ? next : end)]);
            start = next;
        }
        return new JinjaList(lines);
    }

    private static bool Affix(JinjaRuntime runtime, string text, JinjaArguments arguments, string name)
    {
        object? affix = arguments.Bind(runtime, name, "affix")[0];
        IReadOnlyList<object?> all = affix is JinjaTuple tuple ? tuple.Items : [affix];
        runtime.Work(text.Length);
        return all.Any(item => Text(runtime, item, name) is var part
            && (name == "startswith" ? text.StartsWith(part, StringComparison.Ordinal) : text.EndsWith(part, StringComparison.Ordinal)));
    }

    private static BigInteger Position(JinjaRuntime runtime, string text, JinjaArguments arguments, string name)
    {
        object?[] bound = arguments.Bind(runtime, name, "sub", "start", "end");
        string part = Text(runtime, bound[0], name);
        int length = PythonText.Length(text);
        int from = Bound(bound[1], 0), to = Bound(bound[2], length);
        runtime.Work(text.Length);
        int at = -1;
        if (from <= to && from <= length)
        {
            int start = PythonText.UnitOf(text, from);
            ReadOnlySpan<char> window = text.AsSpan(start, PythonText.UnitOf(text, to) - start);
            at = name[0] == 'r' ? window.LastIndexOf(part, StringComparison.Ordinal) : window.IndexOf(part, StringComparison.Ordinal);
            if (at >= 0) at = PythonText.Length(text[..(start + at)]);
        }
        if (at < 0 && name.EndsWith("index", StringComparison.Ordinal)) throw runtime.Fail($"'{name}' does not find the text");
        return new BigInteger(at);

        int Bound(object? value, int missing)
        {
            if (Given(value) is null) return missing;
            long bound = Whole(runtime, value, name);
            if (bound < 0) bound = Math.Max(0, bound + length);
            return (int)(missing == 0 ? bound : Math.Min(bound, length));
        }
    }

    private static JinjaTuple Partition(JinjaRuntime runtime, string text, JinjaArguments arguments, string name)
    {
        string separator = Text(runtime, arguments.Bind(runtime, name, "sep")[0], name);
        if (separator.Length == 0) throw runtime.Fail($"the separator of '{name}' is empty");
        runtime.Charge(text.Length);
        int at = name == "partition" ? text.IndexOf(separator, StringComparison.Ordinal) : text.LastIndexOf(separator, StringComparison.Ordinal);
        if (at < 0) return name == "partition" ? new JinjaTuple(text, "", "") : new JinjaTuple("", "", text);
        return new JinjaTuple(text[..at], separator, text[(at + separator.Length)..]);
    }

    private static string Pad(JinjaRuntime runtime, string text, JinjaArguments arguments, string name)
    {
        object?[] bound = name == "zfill" ? arguments.Bind(runtime, name, "width") : arguments.Bind(runtime, name, "width", "fillchar");
        int width = Whole(runtime, bound[0], name);
        string fill = bound.Length > 1 && Given(bound[1]) is object given ? Text(runtime, given, name) : name == "zfill" ? "0" : " ";
        if (fill.Length != 1) throw runtime.Fail($"'{name}' fills with one character");
        int missing = width - PythonText.Length(text);
        if (missing <= 0) return text;
        runtime.Charge((long)text.Length + missing);
        // str.center puts the odd blank left when the width is odd.
        int left = name switch { "ljust" => 0, "center" => missing / 2 + (missing & width & 1), _ => missing };
        if (name == "zfill" && text is ['+' or '-', ..]) return text[0] + new string('0', missing) + text[1..];
        return new string(fill[0], left) + text + new string(fill[0], missing - left);
    }
}
