using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Json;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

/// <summary>JSON as Python's json module reads and writes it.</summary>
internal static class PythonJson
{
    /// <summary>The layout of json.dumps: <c>Indent</c> is null for one line.</summary>
    public sealed record Options(bool EnsureAscii, string? Indent, string ItemSeparator, string KeySeparator, bool SortKeys)
    {
        public static Options Default { get; } = new(false, null, ", ", ": ", false);
    }

    /// <summary>The template value of a JSON value. Whole numbers keep all digits, others become float64.</summary>
    public static object? FromJson(JsonElement element)
    {
        try
        {
            return Convert(element);
        }
        catch (InvalidOperationException e)
        {
            throw new InvalidInputException("a string of the conversation or its tools is no valid Unicode text (half of a surrogate pair).", e);
        }
    }

    private static object? Convert(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String: return element.GetString();
            case JsonValueKind.True: return true;
            case JsonValueKind.False: return false;
            case JsonValueKind.Number:
                string raw = element.GetRawText();
                return raw.AsSpan().IndexOfAny('.', 'e', 'E') < 0
                    ? BigInteger.Parse(raw, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture)
                    : double.Parse(raw, NumberStyles.Float, CultureInfo.InvariantCulture);
            case JsonValueKind.Array: return new JinjaList([.. element.EnumerateArray().Select(Convert)]);
            case JsonValueKind.Object:
                JinjaDict dict = new();
                foreach (JsonProperty property in element.EnumerateObject()) dict.Items[property.Name] = Convert(property.Value);
                return dict;
            default: return null;
        }
    }

    /// <summary>json.dumps(value).</summary>
    public static string Dumps(JinjaRuntime runtime, object? value, Options options)
    {
        StringBuilder text = new();
        Append(runtime, text, value, options, 0);
        return runtime.Made(text.ToString());
    }

    private static void Append(JinjaRuntime runtime, StringBuilder text, object? value, Options options, int depth)
    {
        if (depth > runtime.Limits.EvaluationDepth) throw runtime.Fail("a value is nested too deeply for tojson");
        runtime.Step();
        if (text.Length > runtime.Limits.TextLength) runtime.Charge(text.Length);
        switch (value)
        {
            case null: text.Append("null"); break;
            case bool flag: text.Append(flag ? "true" : "false"); break;
            case BigInteger number: text.Append(number.ToString(CultureInfo.InvariantCulture)); break;
            case double number: text.Append(Float(number)); break;
            case string s: AppendString(text, s, options.EnsureAscii); break;
            case JinjaMarkup markup: AppendString(text, markup.Text, options.EnsureAscii); break;
            case JinjaList list: AppendArray(runtime, text, list.Items, options, depth); break;
            case JinjaTuple tuple: AppendArray(runtime, text, tuple.Items, options, depth); break;
            case JinjaDict dict: AppendObject(runtime, text, dict, options, depth); break;
            default: throw runtime.Fail($"a value of type {JinjaValues.TypeName(value)} cannot be written as JSON");
        }
    }

    private static string Float(double value) =>
        double.IsNaN(value) ? "NaN" : double.IsInfinity(value) ? (value > 0 ? "Infinity" : "-Infinity") : PythonFormat.Float(value);

    private static void AppendArray(JinjaRuntime runtime, StringBuilder text, IReadOnlyList<object?> items, Options options, int depth)
    {
        text.Append('[');
        for (int i = 0; i < items.Count; i++)
        {
            if (i > 0) text.Append(options.ItemSeparator);
            NewLine(text, options, depth + 1);
            Append(runtime, text, items[i], options, depth + 1);
        }
        if (items.Count > 0) NewLine(text, options, depth);
        text.Append(']');
    }

    private static void AppendObject(JinjaRuntime runtime, StringBuilder text, JinjaDict dict, Options options, int depth)
    {
        IEnumerable<KeyValuePair<object, object?>> items = dict.Items;
        if (options.SortKeys) items = items.OrderBy(item => item.Key, Comparer<object>.Create((a, b) => JinjaValues.Compare(runtime, "<", a, b)));
        text.Append('{');
        bool first = true;
        foreach ((object key, object? item) in items)
        {
            if (!first) text.Append(options.ItemSeparator);
            first = false;
            NewLine(text, options, depth + 1);
            string name = key switch
            {
                string s => s,
                bool flag => flag ? "true" : "false",
                double number => Float(number),
                BigInteger number => number.ToString(CultureInfo.InvariantCulture),
                _ => throw runtime.Fail($"a key of type {JinjaValues.TypeName(key)} cannot be written as JSON"),
            };
            AppendString(text, name, options.EnsureAscii);
            text.Append(options.KeySeparator);
            Append(runtime, text, item, options, depth + 1);
        }
        if (!first) NewLine(text, options, depth);
        text.Append('}');
    }

    private static void NewLine(StringBuilder text, Options options, int depth)
    {
        if (options.Indent is null) return;
        text.Append('\n');
        for (int i = 0; i < depth; i++) text.Append(options.Indent);
    }

    private static void AppendString(StringBuilder text, string value, bool ensureAscii)
    {
        text.Append('"');
        foreach (char c in value)
        {
            switch (c)
            {
                case '"': text.Append("\\\""); break;
                case '\\': text.Append("\\\\"); break;
                case '\n': text.Append("\\n"); break;
                case '\r': text.Append("\\r"); break;
                case '\t': text.Append("\\t"); break;
                case '\b': text.Append("\\b"); break;
                case '\f': text.Append("\\f"); break;
                default:
                    if (c < ' ' || (ensureAscii && c > '~')) text.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
                    else text.Append(c);
                    break;
            }
        }
        text.Append('"');
    }
}
