using System.Text.Json;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

/// <summary>Reads members of a <c>tokenizer.json</c>; what is missing or of another kind is refused by its path.</summary>
internal readonly struct TokenizerJson(JsonElement element, string file, string path)
{
    /// <summary>The element itself.</summary>
    public JsonElement Element => element;

    /// <summary>Where it stands, for messages.</summary>
    public string Path => path;

    /// <summary>Whether it is absent or null.</summary>
    public bool IsNull => element.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null;

    /// <summary>The member of an object; absent members count as null.</summary>
    public TokenizerJson this[string name]
    {
        get
        {
            Require(JsonValueKind.Object, "an object");
            string own = path.Length == 0 ? name : $"{path}.{name}";
            return new TokenizerJson(element.TryGetProperty(name, out JsonElement member) ? member : default, file, own);
        }
    }

    /// <summary>The elements of an array.</summary>
    public IEnumerable<TokenizerJson> Items()
    {
        Require(JsonValueKind.Array, "an array");
        string name = path, source = file;
        return element.EnumerateArray().Select((item, i) => new TokenizerJson(item, source, $"{name}[{i}]"));
    }

    /// <summary>The members of an object.</summary>
    public IEnumerable<(string Name, TokenizerJson Value)> Members()
    {
        Require(JsonValueKind.Object, "an object");
        string name = path, source = file;
        return element.EnumerateObject().Select(m => (m.Name, new TokenizerJson(m.Value, source, $"{name}.{m.Name}")));
    }

    /// <summary>How many elements an array has.</summary>
    public int ArrayLength()
    {
        Require(JsonValueKind.Array, "an array");
        return element.GetArrayLength();
    }

    /// <summary>A string.</summary>
    public string AsString()
    {
        Require(JsonValueKind.String, "a string");
        return element.GetString()!;
    }

    /// <summary>A boolean; absent is <paramref name="absent"/>.</summary>
    public bool AsBoolean(bool absent) => element.ValueKind switch
    {
        JsonValueKind.Undefined or JsonValueKind.Null => absent,
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Refuse($"{path} is {Kind()}, expected true or false"),
    };

    /// <summary>A whole number from 0 to <paramref name="most"/>.</summary>
    public int AsId(int most)
    {
        Require(JsonValueKind.Number, "a number");
        if (!element.TryGetInt32(out int value) || value < 0 || value > most)
            throw Refuse($"{path} is {element.GetRawText()}, expected a whole number from 0 to {most}");
        return value;
    }

    /// <summary>The exception for something wrong in this file.</summary>
    /// <param name="reason">What is wrong, without a full stop.</param>
    public InvalidInputException Refuse(string reason) => new($"{file}: {reason}.");

    private void Require(JsonValueKind kind, string expected)
    {
        if (element.ValueKind != kind)
            throw Refuse($"{(path.Length == 0 ? "the file" : path)} is {Kind()}, expected {expected}");
    }

    private string Kind() => element.ValueKind switch
    {
        JsonValueKind.Undefined => "missing",
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => "a number",
        JsonValueKind.Null => "null",
        _ => "a boolean",
    };
}
