using System.Globalization;
using System.Text.Json;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

/// <summary>
/// The fields of a JSON object, each of which must be asked for: <see cref="RefuseUnknown"/> reports one that nobody
/// understood. A field that is null counts as absent.
/// </summary>
internal sealed class JsonFields
{
    private readonly Dictionary<string, JsonElement> _fields = new(StringComparer.Ordinal);
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);

    public JsonFields(JsonElement element, string where)
    {
        Where = where;
        if (element.ValueKind != JsonValueKind.Object)
            throw new InvalidInputException($"{where} is {StrictJson.Excerpt(element)}, but an object is expected.");
        foreach (JsonProperty property in element.EnumerateObject())
            _fields[StrictJson.Name(property, where)] = property.Value;
    }

    /// <summary>The file and the path of the object in it.</summary>
    public string Where { get; }

    public IReadOnlyCollection<string> Names => _fields.Keys;

    public bool Has(string name)
    {
        _known.Add(name);
        return _fields.TryGetValue(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null;
    }

    public JsonElement? Element(string name) => Has(name) ? _fields[name] : null;

    public void Ignore(params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
            _known.Add(name);
    }

    public int Int(string name, int minimum, int maximum) => OptionalInt(name, minimum, maximum) ?? throw Missing(name);

    public int? OptionalInt(string name, int minimum, int maximum)
    {
        if (Element(name) is not { } element)
            return null;
        return element.ValueKind == JsonValueKind.Number && element.TryGetInt32(out int value) && value >= minimum && value <= maximum
            ? value
            : throw Wrong(name, $"a whole number from {minimum.ToString("N0", CultureInfo.InvariantCulture)} to {maximum.ToString("N0", CultureInfo.InvariantCulture)}");
    }

    /// <summary>A number greater than <paramref name="above"/> and at most <paramref name="maximum"/>.</summary>
    public double Number(string name, double above, double maximum) => OptionalNumber(name, above, maximum) ?? throw Missing(name);

    public double? OptionalNumber(string name, double above, double maximum)
    {
        if (Element(name) is not { } element)
            return null;
        return element.ValueKind == JsonValueKind.Number && element.TryGetDouble(out double value) && value > above && value <= maximum
            ? value
            : throw Wrong(name, FormattableString.Invariant($"a number above {above} and up to {maximum}"));
    }

    public bool Bool(string name) => OptionalBool(name) ?? throw Missing(name);

    public bool? OptionalBool(string name) => Element(name)?.ValueKind switch
    {
        null => null,
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Wrong(name, "true or false"),
    };

    public string Text(string name) => OptionalText(name) ?? throw Missing(name);

    public string? OptionalText(string name)
    {
        if (Element(name) is not { } element)
            return null;
        return element.ValueKind == JsonValueKind.String ? StrictJson.Text(element, Where) : throw Wrong(name, "a string");
    }

    /// <summary>A list of strings.</summary>
    public string[]? OptionalTexts(string name, int maximumLength)
    {
        if (Element(name) is not { } element)
            return null;
        if (element.ValueKind != JsonValueKind.Array || element.GetArrayLength() > maximumLength)
            throw Wrong(name, FormattableString.Invariant($"a list of at most {maximumLength:N0} strings"));
        string[] texts = new string[element.GetArrayLength()];
        int count = 0;
        foreach (JsonElement item in element.EnumerateArray())
            texts[count++] = item.ValueKind == JsonValueKind.String ? StrictJson.Text(item, Where) : throw Wrong(name, "a list of strings");
        return texts;
    }

    /// <summary>One whole number or a list of them; empty if the field is absent.</summary>
    public int[] Ints(string name, int minimum, int maximum)
    {
        if (Element(name) is not { } element)
            return [];
        const int maximumLength = 64;
        if (element.ValueKind != JsonValueKind.Array)
            return [Int(name, minimum, maximum)];
        if (element.GetArrayLength() > maximumLength)
            throw Wrong(name, $"at most {maximumLength} numbers");
        List<int> values = [];
        foreach (JsonElement item in element.EnumerateArray())
            values.Add(item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out int value) && value >= minimum && value <= maximum
                ? value
                : throw Wrong(name, FormattableString.Invariant($"whole numbers from {minimum:N0} to {maximum:N0}")));
        return [.. values];
    }

    public JsonFields? OptionalObject(string name) =>
        Element(name) is { } element ? new JsonFields(element, $"{Where}, {name}") : null;

    /// <summary>A field that may be absent but, where it stands, must be false: this engine has no such feature.</summary>
    public void RequireFalse(params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
            if (OptionalBool(name) == true)
                throw Wrong(name, "false, because this engine has nothing else");
    }

    public InvalidInputException Missing(string name) => new($"{Where} lacks the field {name}.");

    public InvalidInputException Wrong(string name, string expected) =>
        new($"{Where} has {name} = {(_fields.TryGetValue(name, out JsonElement value) ? StrictJson.Excerpt(value) : "nothing")}, but {expected} is expected.");

    /// <summary>
    /// Refuses a field that nobody asked for, because it may change the arithmetic, unless its value switches a
    /// feature off (null, false, or empty).
    /// </summary>
    public void RefuseUnknown()
    {
        foreach ((string name, JsonElement value) in _fields)
        {
            if (_known.Contains(name) || IsOff(value))
                continue;
            string? near = _known.MinBy(known => Distance(known, name));
            string hint = near is not null && Distance(near, name) <= Math.Max(1, name.Length / 4) ? $" (did you mean {near}?)" : "";
            throw new InvalidInputException(
                $"{Where} has the field {name} = {StrictJson.Excerpt(value)}, which this engine does not understand and which may change the result{hint}.");
        }
    }

    private static bool IsOff(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False => true,
        JsonValueKind.Array => value.GetArrayLength() == 0,
        JsonValueKind.Object => !value.EnumerateObject().MoveNext(),
        JsonValueKind.String => value.ValueEquals(""),
        _ => false,
    };

    /// <summary>Levenshtein's distance of two names; a name from a file that is absurdly long is far from all.</summary>
    internal static int Distance(string a, string b)
    {
        if (b.Length > 100)
            return int.MaxValue;
        int[] row = new int[b.Length + 1];
        for (int j = 0; j <= b.Length; j++)
            row[j] = j;
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replaced, Math.Min(row[j], row[j - 1]) + 1);
            }
        }
        return row[b.Length];
    }
}
