using System.Globalization;
using System.Numerics;
using System.Runtime.ExceptionServices;

namespace Mellum2.Managed.Model;

internal static partial class JinjaFilters
{
    private static void AddSequences(Dictionary<string, JinjaFilter> filters, Action<string, string[], Body> add)
    {
        foreach (string name in (string[])["length", "count"])
            add(name, [], (runtime, value, _) => new BigInteger(JinjaValues.Length(value) ?? throw runtime.Fail($"a {JinjaValues.TypeName(value)} has no length")));
        add("first", [], (runtime, value, _) => First(runtime, value));
        add("last", [], (runtime, value, _) => value is JinjaGenerator ? throw runtime.Fail("'last' needs a list, not a generator")
            : JinjaValues.Iterate(runtime, value) is [.., var last] ? last : new JinjaUndefined("No last item, sequence was empty."));
        add("list", [], (runtime, value, _) => new JinjaList(JinjaValues.Iterate(runtime, value)));
        add("items", [], (runtime, value, _) => value switch
        {
            JinjaUndefined => new JinjaGenerator([]),
            JinjaDict dict => new JinjaGenerator(Pairs(runtime, dict)),
            _ => throw runtime.Fail($"the filter 'items' needs a dict, not a {JinjaValues.TypeName(value)}"),
        });
        add("reverse", [], Reverse);
        add("join", ["d", "attribute"], Join);
        add("sum", ["attribute", "start"], Sum);
        add("sort", ["reverse", "case_sensitive", "attribute"], (runtime, value, a) =>
            new JinjaList(Sort(runtime, JinjaValues.Iterate(runtime, value), Key(a[2], a[1]), JinjaValues.IsTrue(Or(a[0], false)))));
        add("unique", ["case_sensitive", "attribute"], Unique);
        add("min", ["case_sensitive", "attribute"], (runtime, value, a) => Extreme(runtime, value, Key(a[1], a[0]), -1));
        add("max", ["case_sensitive", "attribute"], (runtime, value, a) => Extreme(runtime, value, Key(a[1], a[0]), 1));
        add("dictsort", ["case_sensitive", "by", "reverse"], DictSort);
        filters.Add("map", new JinjaFilter("map", Map));
        filters.Add("select", new JinjaFilter("select", (runtime, value, arguments) => Select(runtime, value, arguments, false, true)));
        filters.Add("reject", new JinjaFilter("reject", (runtime, value, arguments) => Select(runtime, value, arguments, false, false)));
        filters.Add("selectattr", new JinjaFilter("selectattr", (runtime, value, arguments) => Select(runtime, value, arguments, true, true)));
        filters.Add("rejectattr", new JinjaFilter("rejectattr", (runtime, value, arguments) => Select(runtime, value, arguments, true, false)));
    }

    private delegate object? KeyOf(JinjaRuntime runtime, object? item);

    /// <summary>What a filter orders by: the item or an attribute of it, texts in lower case unless case counts.</summary>
    private static KeyOf Key(object? attribute, object? caseSensitive)
    {
        bool exact = JinjaValues.IsTrue(Or(caseSensitive, false));
        object? path = Or(attribute, null);
        return (runtime, item) => (path is null ? item : Path(runtime, item, path)) is var key && !exact && key is string text ? PythonText.Lower(text) : key;
    }

    /// <summary>An item's attribute by a dotted path, whose whole numbers are positions.</summary>
    private static object? Path(JinjaRuntime runtime, object? item, object? path)
    {
        if (path is not string text) return JinjaValues.Item(runtime, item, path);
        foreach (string part in text.Split('.'))
        {
            bool number = part.Length is > 0 and < 10 && !part.AsSpan().ContainsAnyExceptInRange('0', '9');
            item = JinjaValues.Item(runtime, item, number ? BigInteger.Parse(part, CultureInfo.InvariantCulture) : part);
        }
        return item;
    }

    private static object? First(JinjaRuntime runtime, object? value)
    {
        JinjaUndefined none = new("No first item, sequence was empty.");
        if (value is JinjaGenerator generator) return generator.TryTake(out object? taken) ? taken : none;
        return JinjaValues.Iterate(runtime, value) is [var first, ..] ? first : none;
    }

    private static List<object?> Pairs(JinjaRuntime runtime, JinjaDict dict)
    {
        runtime.ChargeItems(dict.Items.Count);
        return [.. dict.Items.Select(item => new JinjaTuple(item.Key, item.Value))];
    }

    private static object Reverse(JinjaRuntime runtime, object? value, object?[] arguments)
    {
        IReadOnlyList<object?> items = JinjaValues.Iterate(runtime, value);
        runtime.ChargeItems(items.Count);
        return value is string ? string.Concat(items.Reverse()) : new JinjaGenerator([.. items.Reverse()]);
    }

    private static string Join(JinjaRuntime runtime, object? value, object?[] arguments)
    {
        object? path = Or(arguments[1], null);
        List<string> parts = [];
        foreach (object? item in JinjaValues.Iterate(runtime, value))
        {
            runtime.Step();
            parts.Add(Text(runtime, path is null ? item : Path(runtime, item, path)));
        }
        return JinjaTextMethods.Join(runtime, Text(runtime, Or(arguments[0], "")), parts);
    }

    private static object? Sum(JinjaRuntime runtime, object? value, object?[] arguments)
    {
        object? path = Or(arguments[0], null), sum = Or(arguments[1], BigInteger.Zero);
        if (sum is string) throw runtime.Fail("the filter 'sum' cannot add texts");
        foreach (object? item in JinjaValues.Iterate(runtime, value))
        {
            runtime.Step();
            sum = JinjaOperators.Apply(runtime, "+", sum, path is null ? item : Path(runtime, item, path));
        }
        return sum;
    }

    /// <summary>A stable sort, in reverse too.</summary>
    private static List<object?> Sort(JinjaRuntime runtime, IReadOnlyList<object?> items, KeyOf keyOf, bool reverse)
    {
        runtime.ChargeItems(items.Count);
        List<(object? Key, object? Item)> keyed = [.. items.Select(item => (keyOf(runtime, item), item))];
        Comparer<object?> order = Comparer<object?>.Create((a, b) =>
        {
            runtime.Step();
            return ReferenceEquals(a, b) ? 0 : JinjaValues.Compare(runtime, "<", a, b);
        });
        IOrderedEnumerable<(object? Key, object? Item)> sorted = reverse ? keyed.OrderByDescending(pair => pair.Key, order) : keyed.OrderBy(pair => pair.Key, order);
        try
        {
            return [.. sorted.Select(pair => pair.Item)];
        }
        catch (InvalidOperationException e) when (e.InnerException is not null)
        {
            // The sort wraps what its comparer throws.
            ExceptionDispatchInfo.Throw(e.InnerException);
            throw;
        }
    }

    private static JinjaGenerator Unique(JinjaRuntime runtime, object? value, object?[] arguments)
    {
        KeyOf keyOf = Key(arguments[1], arguments[0]);
        HashSet<object> seen = new(JinjaKeyComparer.Instance);
        bool seenNone = false;
        List<object?> kept = [];
        foreach (object? item in JinjaValues.Iterate(runtime, value))
        {
            runtime.Step();
            object? key = keyOf(runtime, item);
            if (key is null ? !seenNone : seen.Add(key is JinjaUndefined ? typeof(JinjaUndefined) : JinjaValues.Key(runtime, key))) kept.Add(item);
            seenNone |= key is null;
        }
        return new JinjaGenerator(kept);
    }

    private static object? Extreme(JinjaRuntime runtime, object? value, KeyOf keyOf, int sign)
    {
        IReadOnlyList<object?> items = JinjaValues.Iterate(runtime, value);
        if (items.Count == 0) return new JinjaUndefined("No aggregated item, sequence was empty.");
        object? best = items[0], bestKey = keyOf(runtime, best);
        foreach (object? item in items.Skip(1))
        {
            runtime.Step();
            object? key = keyOf(runtime, item);
            if (JinjaValues.Compare(runtime, sign > 0 ? ">" : "<", key, bestKey) * sign > 0) (best, bestKey) = (item, key);
        }
        return best;
    }

    private static JinjaList DictSort(JinjaRuntime runtime, object? value, object?[] arguments)
    {
        if (runtime.Defined(value) is not JinjaDict dict) throw runtime.Fail($"the filter 'dictsort' needs a dict, not a {JinjaValues.TypeName(value)}");
        int at = Or(arguments[1], "key") switch { "key" => 0, "value" => 1, _ => throw runtime.Fail("'dictsort' sorts by 'key' or 'value'") };
        return new JinjaList(Sort(runtime, Pairs(runtime, dict), Key(new BigInteger(at), arguments[0]), JinjaValues.IsTrue(Or(arguments[2], false))));
    }

    /// <summary>The arguments that are left for the filter or test that map, select and their kin name.</summary>
    private static JinjaArguments Rest(JinjaArguments arguments, int skip)
    {
        JinjaArguments rest = new();
        rest.Positional.AddRange(arguments.Positional.Skip(skip));
        foreach ((string name, object? value) in arguments.Keywords) rest.Keywords[name] = value;
        return rest;
    }

    private static JinjaGenerator Map(JinjaRuntime runtime, object? value, JinjaArguments arguments)
    {
        Func<object?, object?> apply;
        if (arguments.Positional.Count == 0)
        {
            object?[] bound = arguments.Bind(runtime, "map", "attribute", "default");
            object? path = Needed(runtime, bound[0], "map");
            apply = item => Path(runtime, item, path) is var found && found is JinjaUndefined && Or(bound[1], null) is object missing ? missing : found;
        }
        else
        {
            string name = Text(runtime, arguments.Positional[0]);
            JinjaFilter filter = Find(name) ?? throw runtime.Fail($"the filter '{name}' is not supported");
            JinjaArguments rest = Rest(arguments, 1);
            apply = item => filter.Apply(runtime, item, rest);
        }
        List<object?> mapped = [];
        if (!JinjaValues.IsTrue(value)) return new JinjaGenerator(mapped);
        foreach (object? item in JinjaValues.Iterate(runtime, value))
        {
            runtime.Step();
            mapped.Add(apply(item));
        }
        return new JinjaGenerator(mapped);
    }

    private static JinjaGenerator Select(JinjaRuntime runtime, object? value, JinjaArguments arguments, bool byAttribute, bool keep)
    {
        int at = byAttribute ? 1 : 0;
        if (arguments.Positional.Count < at) throw runtime.Fail("'selectattr' and 'rejectattr' need the name of an attribute");
        object? path = byAttribute ? arguments.Positional[0] : null;
        JinjaTest? test = null;
        if (arguments.Positional.Count > at)
        {
            string name = Text(runtime, arguments.Positional[at]);
            test = JinjaTests.Find(name) ?? throw runtime.Fail($"the test '{name}' is not supported");
        }
        JinjaArguments rest = Rest(arguments, at + 1);
        List<object?> kept = [];
        if (!JinjaValues.IsTrue(value)) return new JinjaGenerator(kept);
        foreach (object? item in JinjaValues.Iterate(runtime, value))
        {
            runtime.Step();
            object? tested = byAttribute ? Path(runtime, item, path) : item;
            if ((test is null ? JinjaValues.IsTrue(tested) : test.Apply(runtime, tested, rest)) == keep) kept.Add(item);
        }
        return new JinjaGenerator(kept);
    }
}
