using System.Globalization;
using System.Numerics;
using System.Text;

namespace Mellum2.Managed.Model;

/// <summary>Python's two older ways to fill in a text: <c>'%s' % value</c> and <c>'{}'.format(value)</c>.</summary>
internal static class PythonTemplates
{
    /// <summary><c>format % values</c> with %s, %r, %d, %i, %f, a width, a precision and the flags <c>-</c> and <c>0</c>.</summary>
    public static string Format(JinjaRuntime runtime, string format, object? values)
    {
        IReadOnlyList<object?> items = values is JinjaTuple tuple ? tuple.Items : [values];
        StringBuilder text = new();
        int used = 0;
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%')
            {
                text.Append(format[i]);
                continue;
            }
            i++;
            bool left = false, zero = false;
            object? source = null;
            bool named = i < format.Length && format[i] == '(';
            if (named)
            {
                int close = format.IndexOf(')', i);
                if (close < 0 || values is not JinjaDict) throw runtime.Fail("'%(name)' needs a closing parenthesis and a dict of values");
                source = JinjaValues.Item(runtime, values, format[(i + 1)..close]);
                i = close + 1;
            }
            for (; i < format.Length && format[i] is '-' or '0'; i++) (left, zero) = (left || format[i] == '-', zero || format[i] == '0');
            int width = Number(ref i) ?? 0;
            int? precision = null;
            if (i < format.Length && format[i] == '.')
            {
                i++;
                precision = Number(ref i) ?? 0;
            }
            if (i >= format.Length) throw runtime.Fail("a format ends after '%'");
            if (format[i] == '%')
            {
                text.Append('%');
                continue;
            }
            if (!named)
            {
                if (used == items.Count) throw runtime.Fail("a format has more places than there are values");
                source = items[used++];
            }
            string part = Convert(runtime, format[i], source, precision);
            bool number = format[i] is not ('s' or 'r');
            if (zero && number && !left && part.Length < width)
                part = part.StartsWith('-') ? "-" + part[1..].PadLeft(width - 1, '0') : part.PadLeft(width, '0');
            runtime.Charge(Math.Max(width, part.Length));
            text.Append(left ? part.PadRight(width) : part.PadLeft(width));
        }
        // Python overlooks what is left of a value that can be subscripted and is no tuple.
        if (used < items.Count && values is not (JinjaDict or JinjaList or JinjaRange)) throw runtime.Fail("a format has fewer places than there are values");
        return runtime.Made(text.ToString());

        int? Number(ref int at)
        {
            int start = at;
            while (at < format.Length && char.IsAsciiDigit(format[at])) at++;
            if (at == start) return null;
            return int.TryParse(format.AsSpan(start, at - start), NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value <= 10_000
                ? value : throw runtime.Fail("a width or precision of a format is above 10000");
        }
    }

    private static string Convert(JinjaRuntime runtime, char kind, object? value, int? precision)
    {
        switch (kind)
        {
            case 's' or 'r':
                string text = kind == 's' ? PythonFormat.Text(runtime, value) : PythonFormat.Repr(runtime, value);
                return precision is int most && PythonText.Length(text) > most ? text[..PythonText.UnitOf(text, most)] : text;
            case 'd' or 'i':
                if (!JinjaValues.TryNumber(runtime.Defined(value), out BigInteger whole, out double real, out bool isReal))
                    throw runtime.Fail($"'%{kind}' needs a number, not a {JinjaValues.TypeName(value)}");
                if (isReal && !double.IsFinite(real)) throw runtime.Fail($"'%{kind}' needs a finite number");
                string digits = PythonFormat.Scalar(isReal ? new BigInteger(real) : whole);
                return precision is int least && digits.TrimStart('-').Length < least
                    ? (digits[0] == '-' ? "-" : "") + digits.TrimStart('-').PadLeft(least, '0') : digits;
            case 'f' or 'F':
                if (!JinjaValues.TryNumber(runtime.Defined(value), out whole, out real, out isReal))
                    throw runtime.Fail($"'%{kind}' needs a number, not a {JinjaValues.TypeName(value)}");
                return PythonFormat.Fixed(isReal ? real : (double)whole, precision ?? 6);
            default:
                throw runtime.Fail($"the conversion '%{kind}' is not supported");
        }
    }

    /// <summary><c>text.format(…)</c> with <c>{}</c>, <c>{0}</c> and <c>{name}</c>.</summary>
    public static string Braces(JinjaRuntime runtime, string format, JinjaArguments arguments)
    {
        StringBuilder text = new();
        int next = 0;
        for (int i = 0; i < format.Length; i++)
        {
            char c = format[i];
            if (c is '{' or '}' && i + 1 < format.Length && format[i + 1] == c)
            {
                text.Append(c);
                i++;
            }
            else if (c == '{')
            {
                int close = format.IndexOf('}', i);
                if (close < 0) throw runtime.Fail("a '{' of a format is not closed");
                string field = format[(i + 1)..close];
                if (field.AsSpan().ContainsAny(".[:!{")) throw runtime.Fail($"the format field '{{{field}}}' is not supported: only {{}}, {{0}} and {{name}} are");
                object? value;
                if (field.Length == 0 || !field.AsSpan().ContainsAnyExceptInRange('0', '9'))
                {
                    int at = field.Length == 0 ? next++ : int.TryParse(field, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : int.MaxValue;
                    value = at < arguments.Positional.Count ? arguments.Positional[at] : throw runtime.Fail($"a format has no value for '{{{field}}}'");
                }
                else if (!arguments.Keywords.TryGetValue(field, out value))
                {
                    throw runtime.Fail($"a format has no value for '{{{field}}}'");
                }
                string part = PythonFormat.Text(runtime, value);
                runtime.Charge(part.Length);
                text.Append(part);
                i = close;
            }
            else if (c == '}')
            {
                throw runtime.Fail("a '}' of a format closes nothing");
            }
            else
            {
                text.Append(c);
            }
        }
        return runtime.Made(text.ToString());
    }
}
