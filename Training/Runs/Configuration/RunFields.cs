using System.Globalization;
using System.Text.Json;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>
/// The keys of an object of a run file. Each value is asked for with its range and its default; <see cref="End"/> refuses a key that
/// was not asked for and names the nearest one. A value that is null counts as absent.
/// </summary>
internal sealed class RunFields
{
    private readonly string _file, _path;
    private readonly Dictionary<string, JsonElement> _values = new(StringComparer.Ordinal);
    private readonly List<string> _known = [];

    public RunFields(JsonElement element, string file, string path = "")
    {
        (_file, _path) = (file, path);
        if (element.ValueKind != JsonValueKind.Object)
            throw new InvalidInputException($"{file}: {(path.Length == 0 ? "the content" : path)} is {StrictJson.Excerpt(element)}, but an object is expected.");
        foreach (JsonProperty property in element.EnumerateObject())
            _values[property.Name] = property.Value;
    }

    /// <summary>The keys that are written.</summary>
    public IReadOnlyCollection<string> Names => _values.Keys;

    /// <summary>The dotted path of a key.</summary>
    public string PathOf(string name) => _path.Length == 0 ? name : $"{_path}.{name}";

    public bool Has(string name) => Element(name) is not null;

    public JsonElement? Element(string name)
    {
        if (!_known.Contains(name))
            _known.Add(name);
        return _values.TryGetValue(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;
    }

    public string? Text(string name)
    {
        if (Element(name) is not { } element)
            return null;
        return element.ValueKind == JsonValueKind.String && element.GetString() is { Length: > 0 } text ? text : throw Wrong(name, "a text that is not empty");
    }

    /// <summary>A path; in what is read it is absolute.</summary>
    public string? FilePath(string name, string folder) => Text(name) is { } path ? Absolute(name, path, folder) : null;

    /// <summary>A list of paths, or one path, absolute.</summary>
    public IReadOnlyList<string> FilePaths(string name, string folder) =>
        [.. Texts(name).Select(path => Path.TrimEndingDirectorySeparator(Absolute(name, path, folder)))];

    public long Whole(string name, long minimum, long maximum, long byDefault) => Whole(name, minimum, maximum) ?? byDefault;

    public int Whole(string name, int minimum, int maximum, int byDefault) => (int)(Whole(name, minimum, (long)maximum) ?? byDefault);

    public long? Whole(string name, long minimum, long maximum)
    {
        if (Element(name) is not { } element)
            return null;
        return element.ValueKind == JsonValueKind.Number && element.TryGetInt64(out long value) && value >= minimum && value <= maximum
            ? value
            : throw Wrong(name, string.Create(CultureInfo.InvariantCulture, $"a whole number from {minimum:N0} to {maximum:N0}"));
    }

    public ulong Seed(string name)
    {
        if (Element(name) is not { } element)
            return 0;
        return element.ValueKind == JsonValueKind.Number && element.TryGetUInt64(out ulong value) ? value : throw Wrong(name, "a whole number from 0 to 2^64 - 1");
    }

    public double Real(string name, double minimum, double maximum, double byDefault) => Real(name, minimum, maximum) ?? byDefault;

    public double? Real(string name, double minimum, double maximum)
    {
        if (Element(name) is not { } element)
            return null;
        return element.ValueKind == JsonValueKind.Number && element.TryGetDouble(out double value) && value >= minimum && value <= maximum
            ? value
            : throw Wrong(name, string.Create(CultureInfo.InvariantCulture, $"a number from {minimum} to {maximum}"));
    }

    public bool Switch(string name, bool byDefault) => Switch(name) ?? byDefault;

    public bool? Switch(string name) => Element(name)?.ValueKind switch
    {
        null => null,
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Wrong(name, "true or false"),
    };

    public T Choice<T>(string name, IReadOnlyList<(string Word, T Value)> choices, T byDefault)
    {
        if (Element(name) is not { } element)
            return byDefault;
        if (element.ValueKind == JsonValueKind.String)
            foreach ((string word, T value) in choices)
                if (element.ValueEquals(word))
                    return value;
        throw Wrong(name, string.Join(" or ", choices.Select(choice => choice.Word)));
    }

    /// <summary>The object under a key; an empty one where the key is absent.</summary>
    public RunFields Section(string name) => OptionalSection(name) ?? new RunFields(JsonSerializer.SerializeToElement(new object()), _file, PathOf(name));

    /// <summary>The object at another path of this file.</summary>
    public RunFields At(JsonElement element, string path) => new(element, _file, path);

    public RunFields? OptionalSection(string name) => Element(name) is { } element ? new RunFields(element, _file, PathOf(name)) : null;

    /// <summary>The elements of a list; what is not a list counts as its only element.</summary>
    public IReadOnlyList<(string Path, JsonElement Element)> List(string name)
    {
        if (Element(name) is not { } element)
            return [];
        return element.ValueKind == JsonValueKind.Array
            ? [.. element.EnumerateArray().Select((item, index) => (string.Create(CultureInfo.InvariantCulture, $"{PathOf(name)}.{index}"), item))]
            : [(PathOf(name), element)];
    }

    /// <summary>A list of texts, or one text.</summary>
    public IReadOnlyList<string> Texts(string name) =>
    [
        .. List(name).Select(item => item.Element.ValueKind == JsonValueKind.String && item.Element.GetString() is { Length: > 0 } text
            ? text
            : throw Error(item.Path, $"is {StrictJson.Excerpt(item.Element)}, but a text that is not empty is expected")),
    ];

    private string Absolute(string name, string path, string folder) =>
        path.Contains('\0', StringComparison.Ordinal) ? throw Wrong(name, "a path") : Path.GetFullPath(path, folder);

    /// <summary>Makes keys known that are read elsewhere.</summary>
    public void Allow(IEnumerable<string> names)
    {
        foreach (string name in names)
            _ = Element(name);
    }

    /// <summary>The sentence about a value of the wrong kind or range.</summary>
    public InvalidInputException Wrong(string name, string expected) =>
        Error(PathOf(name), $"is {(_values.TryGetValue(name, out JsonElement value) ? StrictJson.Excerpt(value) : "absent")}, but {expected} is expected");

    /// <summary>A sentence about a path of this file.</summary>
    public InvalidInputException Error(string path, string what) => new($"{_file}: {path} {what}.");

    /// <summary>Refuses a key that nobody asked for.</summary>
    public void End()
    {
        foreach (string name in _values.Keys)
        {
            if (_known.Contains(name))
                continue;
            string? near = _known.MinBy(known => JsonFields.Distance(known, name));
            throw Error(PathOf(name), near is null ? "is unknown; no key is expected here" : $"is unknown; the nearest known key is {PathOf(near)}");
        }
    }
}
