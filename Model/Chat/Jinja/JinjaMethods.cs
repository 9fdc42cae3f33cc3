using System.Globalization;
using System.Numerics;
using System.Text;

namespace Mellum2.Managed.Model;

/// <summary>The methods of Python's str, dict, list and tuple that a template can call.</summary>
internal static class JinjaMethods
{
    private static readonly HashSet<string> s_unsupported = new(StringComparer.Ordinal)
    {
        "casefold", "encode", "expandtabs", "format_map", "isidentifier", "istitle", "maketrans", "translate", "swapcase",
        "fromkeys", "as_integer_ratio", "bit_length", "bit_count", "conjugate", "from_bytes", "to_bytes", "is_integer", "hex", "fromhex",
        "append", "extend", "insert", "remove", "sort", "reverse", "clear", "pop", "popitem", "setdefault", "update",
    };

    /// <summary>Whether the name is a method of Python's values that templates cannot call here (or, as it changes the value, anywhere).</summary>
    public static bool IsUnsupported(string name) => s_unsupported.Contains(name);

    /// <summary>The method of that name, bound to the value; an undefined value for one that is not supported; null if there is none.</summary>
    public static object? Find(object? owner, string name)
    {
        Func<JinjaRuntime, JinjaArguments, object?>? body = owner switch
        {
            string text => JinjaTextMethods.Find(text, name),
            JinjaDict dict => OfDict(dict, name),
            JinjaList list => OfSequence(list.Items, name, list),
            JinjaTuple tuple => OfSequence(tuple.Items, name, null),
            _ => null,
        };
        if (body is not null) return new JinjaFunction(body);
        bool exists = owner switch
        {
            string => name is "casefold" or "encode" or "expandtabs" or "format_map" or "isidentifier" or "istitle" or "maketrans" or "translate" or "swapcase",
            JinjaDict => name is "fromkeys" or "clear" or "pop" or "popitem" or "setdefault" or "update",
            JinjaList => name is "append" or "extend" or "insert" or "remove" or "sort" or "reverse" or "clear" or "pop",
            _ => false,
        };
        return exists ? new JinjaUndefined($"the method '{name}' of a {JinjaValues.TypeName(owner)} is not supported") : null;
    }

    private static Func<JinjaRuntime, JinjaArguments, object?>? OfDict(JinjaDict dict, string name) => name switch
    {
        "get" => (runtime, arguments) =>
        {
            object?[] bound = arguments.Bind(runtime, name, "key", "default");
            if (ReferenceEquals(bound[0], JinjaArguments.Missing)) throw runtime.Fail("'get' needs a key");
            return bound[0] is not null && dict.Items.TryGetValue(JinjaValues.Key(runtime, bound[0]), out object? value) ? value
                : ReferenceEquals(bound[1], JinjaArguments.Missing) ? null : bound[1];
        }
        ,
        "keys" => (runtime, arguments) => View(runtime, arguments, "dict_keys", [.. dict.Items.Keys]),
        "values" => (runtime, arguments) => View(runtime, arguments, "dict_values", [.. dict.Items.Values]),
        "items" => (runtime, arguments) => View(runtime, arguments, "dict_items", [.. dict.Items.Select(item => new JinjaTuple(item.Key, item.Value))]),
        "copy" => (runtime, arguments) =>
        {
            arguments.Bind(runtime, name);
            return dict;
        }
        ,
        _ => null,
    };

    private static JinjaView View(JinjaRuntime runtime, JinjaArguments arguments, string kind, IReadOnlyList<object?> items)
    {
        arguments.Bind(runtime, kind);
        runtime.ChargeItems(items.Count);
        return new JinjaView(kind, items);
    }

    private static Func<JinjaRuntime, JinjaArguments, object?>? OfSequence(IReadOnlyList<object?> items, string name, JinjaList? list) => name switch
    {
        "count" => (runtime, arguments) =>
        {
            object? wanted = arguments.Bind(runtime, name, "value")[0];
            runtime.Work((long)items.Count << 4);
            return new BigInteger(items.Count(item => JinjaValues.AreEqual(runtime, item, wanted)));
        }
        ,
        "index" => (runtime, arguments) =>
        {
            object? wanted = arguments.Bind(runtime, name, "value")[0];
            runtime.Work((long)items.Count << 4);
            for (int i = 0; i < items.Count; i++)
                if (JinjaValues.AreEqual(runtime, items[i], wanted)) return new BigInteger(i);
            throw runtime.Fail("'index' does not find the value in the list");
        }
        ,
        "copy" when list is not null => (runtime, arguments) =>
        {
            arguments.Bind(runtime, name);
            return list;
        }
        ,
        _ => null,
    };

    /// <summary>islower and isupper: all letters with case have the one asked for, and there is one.</summary>
    public static bool HasCase(string text, bool upper)
    {
        bool any = false;
        foreach (Rune rune in text.EnumerateRunes())
        {
            bool isUpper = Rune.IsUpper(rune) || Rune.GetUnicodeCategory(rune) == UnicodeCategory.TitlecaseLetter;
            bool isLower = Rune.IsLower(rune);
            if (upper ? isLower || Rune.GetUnicodeCategory(rune) == UnicodeCategory.TitlecaseLetter : isUpper) return false;
            any |= isUpper || isLower;
        }
        return any;
    }
}
