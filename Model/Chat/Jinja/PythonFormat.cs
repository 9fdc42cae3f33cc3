using System.Globalization;
using System.Numerics;
using System.Text;

namespace Mellum2.Managed.Model;

/// <summary>How Python prints values: str() and repr().</summary>
internal static class PythonFormat
{
    /// <summary>
    /// repr of a float: the shortest digits that give the number back; with an exponent below 1e-4 and from 1e16 on.
    /// </summary>
    public static string Float(double value)
    {
        if (double.IsNaN(value)) return "nan";
        if (double.IsInfinity(value)) return value > 0 ? "inf" : "-inf";
        if (value == 0) return double.IsNegative(value) ? "-0.0" : "0.0";
        (string digits, int exponent) = Digits(value.ToString("R", CultureInfo.InvariantCulture));
        string sign = value < 0 ? "-" : "";
        if (exponent is < -4 or >= 16)
        {
            string fraction = digits.Length > 1 ? "." + digits[1..] : "";
            return $"{sign}{digits[0]}{fraction}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
        }
        if (exponent < 0) return sign + "0." + new string('0', -exponent - 1) + digits;
        if (digits.Length <= exponent + 1) return sign + digits + new string('0', exponent + 1 - digits.Length) + ".0";
        return string.Concat(sign, digits.AsSpan(0, exponent + 1), ".", digits.AsSpan(exponent + 1));
    }

    /// <summary>The significant digits of a number's text, and the power of ten of the first.</summary>
    private static (string Digits, int Exponent) Digits(string text)
    {
        int exponent = 0;
        text = text.TrimStart('-');
        int e = text.IndexOf('E', StringComparison.Ordinal);
        if (e >= 0)
        {
            exponent = int.Parse(text.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
            text = text[..e];
        }
        int point = text.IndexOf('.', StringComparison.Ordinal);
        exponent += (point < 0 ? text.Length : point) - 1;
        string digits = text.Replace(".", "", StringComparison.Ordinal);
        int zeros = digits.AsSpan().IndexOfAnyExcept('0');
        return (digits[zeros..].TrimEnd('0'), exponent - zeros);
    }

    /// <summary>Rounds to <paramref name="places"/> decimal places, exact halves to even, and writes all of them.</summary>
    public static string Fixed(double value, int places)
    {
        if (!double.IsFinite(value)) return Float(value);
        long bits = BitConverter.DoubleToInt64Bits(value);
        int exponent = (int)(bits >> 52 & 0x7ff);
        BigInteger mantissa = bits & 0xfffffffffffffL | (exponent == 0 ? 0 : 1L << 52);
        exponent = Math.Max(exponent, 1) - 1075;
        BigInteger scaled = mantissa * BigInteger.Pow(10, places);
        if (exponent >= 0)
        {
            scaled <<= exponent;
        }
        else
        {
            BigInteger half = BigInteger.One << (-exponent - 1);
            BigInteger rest = scaled & ((BigInteger.One << -exponent) - 1);
            scaled >>= -exponent;
            if (rest > half || (rest == half && !scaled.IsEven)) scaled += 1;
        }
        string digits = scaled.ToString(CultureInfo.InvariantCulture).PadLeft(places + 1, '0');
        string text = places == 0 ? digits : digits[..^places] + "." + digits[^places..];
        return bits < 0 ? "-" + text : text;
    }

    public static string Scalar(object? value) => value switch
    {
        null => "None",
        bool flag => flag ? "True" : "False",
        BigInteger number => number.ToString(CultureInfo.InvariantCulture),
        double number => Float(number),
        _ => throw new ArgumentException("not a scalar", nameof(value)),
    };

    /// <summary>str(value): what <c>{{ value }}</c> prints.</summary>
    public static string Text(JinjaRuntime runtime, object? value) => value switch
    {
        string text => text,
        JinjaUndefined => "",
        JinjaMarkup markup => markup.Text,
        null or bool or BigInteger or double => Scalar(value),
        _ => Repr(runtime, value),
    };

    public static string Repr(JinjaRuntime runtime, object? value)
    {
        StringBuilder text = new();
        AppendRepr(runtime, text, value, 0);
        return runtime.Made(text.ToString());
    }

    private static void AppendRepr(JinjaRuntime runtime, StringBuilder text, object? value, int depth)
    {
        if (depth > runtime.Limits.EvaluationDepth) throw runtime.Fail("a value is nested too deeply to be printed");
        runtime.Step();
        if (text.Length > runtime.Limits.TextLength) runtime.Charge(text.Length);
        switch (value)
        {
            case string s: AppendString(text, s); break;
            case null or bool or BigInteger or double: text.Append(Scalar(value)); break;
            case JinjaList list: AppendItems(list.Items, '[', ']', false); break;
            case JinjaTuple tuple: AppendItems(tuple.Items, '(', ')', tuple.Items.Count == 1); break;
            case JinjaDict dict: AppendDict(dict); break;
            case JinjaUndefined: text.Append("Undefined"); break;
            case JinjaView view:
                text.Append(view.Kind).Append('(');
                AppendItems(view.Items, '[', ']', false);
                text.Append(')');
                break;
            case JinjaRange range:
                BigInteger stop = range.Start + range.Step * range.Count;
                text.Append("range(").Append(Scalar(range.Start)).Append(", ").Append(Scalar(stop));
                if (!range.Step.IsOne) text.Append(", ").Append(Scalar(range.Step));
                text.Append(')');
                break;
            case JinjaMarkup markup:
                text.Append("Markup(");
                AppendString(text, markup.Text);
                text.Append(')');
                break;
            default: throw runtime.Fail($"a {JinjaValues.TypeName(value)} cannot be printed");
        }

        void AppendItems(IReadOnlyList<object?> items, char open, char close, bool comma)
        {
            text.Append(open);
            for (int i = 0; i < items.Count; i++)
            {
                if (i > 0) text.Append(", ");
                AppendRepr(runtime, text, items[i], depth + 1);
            }
            text.Append(comma ? "," : "").Append(close);
        }

        void AppendDict(JinjaDict dict)
        {
            text.Append('{');
            bool first = true;
            foreach ((object key, object? item) in dict.Items)
            {
                if (!first) text.Append(", ");
                first = false;
                AppendRepr(runtime, text, key, depth + 1);
                text.Append(": ");
                AppendRepr(runtime, text, item, depth + 1);
            }
            text.Append('}');
        }
    }

    /// <summary>repr of a string: single quotes unless it holds some and no double ones; what is not printable is escaped.</summary>
    private static void AppendString(StringBuilder text, string value)
    {
        char quote = value.Contains('\'', StringComparison.Ordinal) && !value.Contains('"', StringComparison.Ordinal) ? '"' : '\'';
        text.Append(quote);
        for (int i = 0; i < value.Length; i++)
        {
            char c = value[i];
            bool pair = i + 1 < value.Length && char.IsSurrogatePair(c, value[i + 1]);
            int code = pair ? char.ConvertToUtf32(c, value[++i]) : c;
            if (c == quote || c == '\\') text.Append('\\').Append(c);
            else if (c == '\n') text.Append("\\n");
            else if (c == '\r') text.Append("\\r");
            else if (c == '\t') text.Append("\\t");
            else if (!IsPrintable(code)) text.Append(code < 0x100 ? $"\\x{code:x2}" : code < 0x10000 ? $"\\u{code:x4}" : $"\\U{code:x8}");
            else if (pair) text.Append(c).Append(value[i]);
            else text.Append(c);
        }
        text.Append(quote);
    }

    public static bool IsPrintable(int code) => code == ' ' || CharUnicodeInfo.GetUnicodeCategory(code) is not
        (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator);
}
