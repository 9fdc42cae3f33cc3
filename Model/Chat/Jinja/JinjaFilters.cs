using System.Buffers;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace Mellum2.Managed.Model;

/// <summary>A filter: <c>value | name(arguments)</c>.</summary>
internal sealed record JinjaFilter(string Name, Func<JinjaRuntime, object?, JinjaArguments, object?> Apply);

/// <summary>The filters of jinja2 that chat templates use; <c>JinjaFilters.Sequences.cs</c> holds those on lists.</summary>
internal static partial class JinjaFilters
{
    private delegate object? Body(JinjaRuntime runtime, object? value, object?[] arguments);

    private static readonly Dictionary<string, JinjaFilter> s_filters = Build();

    private static readonly SearchValues<char> s_floatCharacters = SearchValues.Create("0123456789.e+-_");

    public static JinjaFilter? Find(string name) => s_filters.GetValueOrDefault(name);

    private static Dictionary<string, JinjaFilter> Build()
    {
        Dictionary<string, JinjaFilter> filters = new(StringComparer.Ordinal);
        Add("abs", [], (runtime, value, _) => Abs(runtime, value));
        Add("attr", ["name"], (runtime, value, a) => Attr(runtime, value, a[0]));
        Add("capitalize", [], (runtime, value, _) => runtime.Made(PythonText.Capitalize(Text(runtime, value))));
        foreach (string name in (string[])["default", "d"]) Add(name, ["default_value", "boolean"], Default);
        Add("float", ["default"], (runtime, value, a) => ToFloat(runtime, value) ?? Or(a[0], 0.0));
        filters.Add("format", new JinjaFilter("format", Format));
        Add("indent", ["width", "first", "blank"], Indent);
        Add("int", ["default", "base"], (runtime, value, a) => ToInt(runtime, value, Whole(runtime, a[1], 10)) is BigInteger whole ? whole : Or(a[0], BigInteger.Zero));
        Add("lower", [], (runtime, value, _) => runtime.Made(PythonText.Lower(Text(runtime, value))));
        Add("replace", ["old", "new", "count"], (runtime, value, a) => JinjaTextMethods.Replace(
            runtime, Text(runtime, value), Text(runtime, Needed(runtime, a[0], "replace")), Text(runtime, Needed(runtime, a[1], "replace")), Or(a[2], null) is null ? -1 : Whole(runtime, a[2], -1)));
        Add("round", ["precision", "method"], Round);
        Add("safe", [], (runtime, value, _) => value as JinjaMarkup ?? new JinjaMarkup(Text(runtime, value)));
        Add("string", [], (runtime, value, _) => value as JinjaMarkup ?? (object)Text(runtime, value));
        Add("title", [], (runtime, value, _) => runtime.Made(Title(Text(runtime, value))));
        Add("tojson", ["ensure_ascii", "indent", "separators", "sort_keys"], ToJson);
        Add("trim", ["chars"], (runtime, value, a) =>
            runtime.Made(PythonText.Strip(Text(runtime, value), Or(a[0], null) is object characters ? Text(runtime, characters) : null, true, true)));
        Add("upper", [], (runtime, value, _) => runtime.Made(PythonText.Upper(Text(runtime, value))));
        AddSequences(filters, Add);
        return filters;

        void Add(string name, string[] parameters, Body body) =>
            filters.Add(name, new JinjaFilter(name, (runtime, value, arguments) => body(runtime, value, arguments.Bind(runtime, name, parameters))));
    }

    private static bool IsMissing(object? value) => ReferenceEquals(value, JinjaArguments.Missing);

    private static object? Or(object? argument, object? missing) => IsMissing(argument) ? missing : argument;

    private static object? Needed(JinjaRuntime runtime, object? argument, string filter) =>
        IsMissing(argument) ? throw runtime.Fail($"the filter '{filter}' got too few arguments") : argument;

    private static string Text(JinjaRuntime runtime, object? value) => PythonFormat.Text(runtime, value);

    private static int Whole(JinjaRuntime runtime, object? argument, int missing)
    {
        if (IsMissing(argument)) return missing;
        if (!JinjaValues.TryNumber(runtime.Defined(argument), out BigInteger whole, out _, out bool isReal) || isReal)
            throw runtime.Fail($"a filter needs a whole number, not a {JinjaValues.TypeName(argument)}");
        return (int)BigInteger.Max(int.MinValue, BigInteger.Min(int.MaxValue, whole));
    }

    private static object Abs(JinjaRuntime runtime, object? value)
    {
        if (!JinjaValues.TryNumber(runtime.Defined(value), out BigInteger whole, out double real, out bool isReal))
            throw runtime.Fail($"the filter 'abs' needs a number, not a {JinjaValues.TypeName(value)}");
        return isReal ? Math.Abs(real) : BigInteger.Abs(whole);
    }

    /// <summary>The attribute alone, never a key.</summary>
    private static object? Attr(JinjaRuntime runtime, object? value, object? name)
    {
        string text = Text(runtime, Needed(runtime, name, "attr"));
        return value is JinjaDict ? JinjaMethods.Find(value, text) ?? JinjaUndefined.Attribute(value, text) : JinjaValues.Attribute(runtime, value, text);
    }

    private static object? Default(JinjaRuntime runtime, object? value, object?[] arguments) =>
        value is JinjaUndefined || (JinjaValues.IsTrue(Or(arguments[1], false)) && !JinjaValues.IsTrue(value)) ? Or(arguments[0], "") : value;

    private static string Format(JinjaRuntime runtime, object? value, JinjaArguments arguments)
    {
        if (arguments.Keywords.Count > 0 && arguments.Positional.Count > 0)
            throw runtime.Fail("the filter 'format' takes arguments with or without names, not both");
        JinjaDict named = new();
        foreach ((string name, object? item) in arguments.Keywords) named.Items[name] = item;
        return PythonTemplates.Format(runtime, Text(runtime, value), named.Items.Count > 0 ? named : new JinjaTuple(arguments.Positional));
    }

    private static object? ToFloat(JinjaRuntime runtime, object? value)
    {
        if (JinjaValues.TryNumber(runtime.Defined(value), out BigInteger whole, out double real, out bool isReal)) return isReal ? real : (double)whole;
        return value is string text ? ParseFloat(text) : null;
    }

    private static double? ParseFloat(string text)
    {
        text = PythonText.Strip(text, null, true, true);
        string bare = text.TrimStart('+', '-').ToLowerInvariant();
        if (text.Length - bare.Length > 1) return null;
        double sign = text.StartsWith('-') ? -1 : 1;
        if (bare is "inf" or "infinity") return sign * double.PositiveInfinity;
        if (bare == "nan") return double.NaN;
        bool plain = bare.Length > 0 && char.IsAsciiDigit(bare[0]) | bare[0] == '.' && !bare.AsSpan().ContainsAnyExcept(s_floatCharacters);
        return plain && double.TryParse(text.Replace("_", "", StringComparison.Ordinal), NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
            ? value : null;
    }

    private static BigInteger? ToInt(JinjaRuntime runtime, object? value, int radix)
    {
        if (JinjaValues.TryNumber(runtime.Defined(value), out BigInteger whole, out double real, out bool isReal))
            return !isReal ? whole : double.IsFinite(real) ? new BigInteger(real) : (BigInteger?)null;
        if (value is not string text) return null;
        runtime.Work((long)text.Length << 2);
        if (PythonText.TryParseInteger(text, radix) is BigInteger parsed) return parsed;
        return ParseFloat(text) is double number && double.IsFinite(number) ? new BigInteger(number) : null;
    }

    /// <summary>The lines after the first (or all) with blanks, or a given text, before them; empty lines stay empty.</summary>
    private static string Indent(JinjaRuntime runtime, object? value, object?[] arguments)
    {
        object? width = Or(arguments[0], new BigInteger(4));
        string prefix = width as string ?? new string(' ', Math.Clamp(Whole(runtime, width, 4), 0, 10_000));
        bool first = JinjaValues.IsTrue(Or(arguments[1], false)), blank = JinjaValues.IsTrue(Or(arguments[2], false));
        // jinja2 adds a newline and takes the lines of str.splitlines, so that a last empty line counts.
        JinjaList lines = (JinjaList)JinjaTextMethods.Find(Text(runtime, value) + "\n", "splitlines")!(runtime, new JinjaArguments())!;
        List<string> indented = new(lines.Items.Count);
        for (int i = 0; i < lines.Items.Count; i++)
        {
            string line = (string)lines.Items[i]!;
            indented.Add((i == 0 ? first : blank || line.Length > 0) ? prefix + line : line);
            runtime.Charge(indented[i].Length);
        }
        return JinjaTextMethods.Join(runtime, "\n", indented);
    }

    private static object Round(JinjaRuntime runtime, object? value, object?[] arguments)
    {
        int places = Whole(runtime, arguments[0], 0);
        string method = Or(arguments[1], "common") as string ?? "";
        if (method is not ("common" or "ceil" or "floor")) throw runtime.Fail("the method of 'round' must be 'common', 'ceil' or 'floor'");
        if (places is < 0 or > 300) throw runtime.Fail("the filter 'round' takes 0 to 300 decimal places");
        if (!JinjaValues.TryNumber(runtime.Defined(value), out BigInteger whole, out double real, out bool isReal))
            throw runtime.Fail($"the filter 'round' needs a number, not a {JinjaValues.TypeName(value)}");
        if (method == "common")
            return !isReal ? whole : double.IsFinite(real) ? double.Parse(PythonFormat.Fixed(real, places), CultureInfo.InvariantCulture) : real;
        double factor = Math.Pow(10, places);
        double scaled = (isReal ? real : (double)whole) * factor;
        return (method == "ceil" ? Math.Ceiling(scaled) : Math.Floor(scaled)) / factor;
    }

    /// <summary>Upper case after white space, '-', '(', '{', '[' and '&lt;'; lower case elsewhere (not quite str.title).</summary>
    private static string Title(string text)
    {
        StringBuilder result = new(text.Length);
        for (int start = 0; start < text.Length;)
        {
            int end = start;
            while (end < text.Length && !IsBreak(text[end])) end++;
            if (end > start) result.Append(PythonText.Capitalize(text[start..end]));
            for (start = end; start < text.Length && IsBreak(text[start]); start++) result.Append(text[start]);
        }
        return result.ToString();

        static bool IsBreak(char c) => PythonText.IsSpace(c) || c is '-' or '(' or '{' or '[' or '<';
    }

    private static string ToJson(JinjaRuntime runtime, object? value, object?[] arguments)
    {
        string? indent = Or(arguments[1], null) switch
        {
            null => null,
            string text => text,
            object width => new string(' ', Math.Clamp(Whole(runtime, width, 0), 0, 100)),
        };
        PythonJson.Options options = new(
            JinjaValues.IsTrue(Or(arguments[0], false)), indent, indent is null ? ", " : ",", ": ", JinjaValues.IsTrue(Or(arguments[3], false)));
        if (Or(arguments[2], null) is object separators)
        {
            if (JinjaValues.Elements(separators) is not [string item, string key]) throw runtime.Fail("the separators of 'tojson' must be two texts");
            options = options with { ItemSeparator = item, KeySeparator = key };
        }
        return PythonJson.Dumps(runtime, value, options);
    }
}
