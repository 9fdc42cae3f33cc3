using System.Numerics;

namespace Mellum2.Managed.Model;

// The values of a template are .NET objects: null is none, bool, BigInteger for every whole number, double, string,
// and the classes of this file.

/// <summary>A Python list. Templates cannot change one (the sandbox forbids it), so it is shared freely.</summary>
internal sealed class JinjaList(IReadOnlyList<object?> items)
{
    public IReadOnlyList<object?> Items { get; } = items;
}

/// <summary>A Python tuple.</summary>
internal sealed class JinjaTuple(params IReadOnlyList<object?> items)
{
    public IReadOnlyList<object?> Items { get; } = items;
}

/// <summary>A Python dict: keys keep the order in which they came first, and 1, 1.0 and true are one key.</summary>
internal sealed class JinjaDict
{
    public OrderedDictionary<object, object?> Items { get; } = new(JinjaKeyComparer.Instance);
}

/// <summary>What <c>keys()</c>, <c>values()</c> and <c>items()</c> give: countable and iterable, without indices.</summary>
internal sealed class JinjaView(string kind, IReadOnlyList<object?> items)
{
    public string Kind { get; } = kind;

    public IReadOnlyList<object?> Items { get; } = items;
}

/// <summary>A Python range.</summary>
internal sealed class JinjaRange(BigInteger start, BigInteger step, int count)
{
    public int Count { get; } = count;

    public BigInteger Start { get; } = start;

    public BigInteger Step { get; } = step;

    public object this[int index] => Start + Step * index;
}

/// <summary>What filters such as <c>map</c> and <c>select</c> give: it can be walked once and has no length.</summary>
internal sealed class JinjaGenerator(IReadOnlyList<object?> items)
{
    private int _next;

    public bool TryTake(out object? item)
    {
        bool any = _next < items.Count;
        item = any ? items[_next++] : null;
        return any;
    }

    public IReadOnlyList<object?> TakeAll()
    {
        IReadOnlyList<object?> rest = _next == 0 ? items : [.. items.Skip(_next)];
        _next = items.Count;
        return rest;
    }
}

/// <summary>A missing variable, key or element. It prints as nothing and is false; using it otherwise is the error <c>Message</c>.</summary>
internal sealed class JinjaUndefined(string message)
{
    public string Message { get; } = message;

    public static JinjaUndefined Variable(string name) => new($"'{name}' is undefined");

    public static JinjaUndefined Attribute(object? owner, string name) => new($"'{JinjaValues.TypeName(owner)}' has no attribute '{name}'");

    public static JinjaUndefined Element(object? owner, object? index) => index is string name
        ? Attribute(owner, name)
        : new($"{JinjaValues.TypeName(owner)} has no element {(index is BigInteger or bool or double ? PythonFormat.Scalar(index) : "of that kind")}");
}

/// <summary>What the filter <c>safe</c> gives. It can be printed and joined with <c>~</c>; anything else is refused.</summary>
internal sealed class JinjaMarkup(string text)
{
    public string Text { get; } = text;
}

/// <summary>The one kind of object that templates can change: <c>{% set ns.x = … %}</c>.</summary>
internal sealed class JinjaNamespace
{
    public OrderedDictionary<string, object?> Attributes { get; } = new(StringComparer.Ordinal);
}

/// <summary>The arguments of a call.</summary>
internal sealed class JinjaArguments
{
    public List<object?> Positional { get; } = [];

    public OrderedDictionary<string, object?> Keywords { get; } = new(StringComparer.Ordinal);

    public static JinjaArguments Of(params ReadOnlySpan<object?> values)
    {
        JinjaArguments arguments = new();
        foreach (object? value in values) arguments.Positional.Add(value);
        return arguments;
    }

    /// <summary>The arguments by parameter; <see cref="Missing"/> stands for one that was not given.</summary>
    public object?[] Bind(JinjaRuntime runtime, string function, params ReadOnlySpan<string> parameters)
    {
        if (Positional.Count > parameters.Length)
            throw runtime.Fail($"'{function}' takes at most {parameters.Length} argument(s) but {Positional.Count} were given");
        object?[] bound = new object?[parameters.Length];
        Array.Fill(bound, Missing);
        for (int i = 0; i < Positional.Count; i++) bound[i] = Positional[i];
        foreach ((string name, object? value) in Keywords)
        {
            int at = parameters.IndexOf(name);
            if (at < 0) throw runtime.Fail($"'{function}' has no parameter '{name}'");
            if (!ReferenceEquals(bound[at], Missing)) throw runtime.Fail($"'{function}' got two values for '{name}'");
            bound[at] = value;
        }
        return bound;
    }

    /// <summary>Stands for an argument that was not given.</summary>
    public static object Missing { get; } = new();
}

/// <summary>Something that can be called: a macro, a global function, a method.</summary>
internal abstract class JinjaCallable
{
    public abstract object? Invoke(JinjaRuntime runtime, JinjaArguments arguments);
}

/// <summary>A callable made of a .NET function.</summary>
internal sealed class JinjaFunction(Func<JinjaRuntime, JinjaArguments, object?> body) : JinjaCallable
{
    public override object? Invoke(JinjaRuntime runtime, JinjaArguments arguments) => body(runtime, arguments);
}

/// <summary>The variable <c>loop</c>.</summary>
internal sealed class JinjaLoop(IReadOnlyList<object?> items, int depth)
{
    private IReadOnlyList<object?>? _changed;

    public int Index { get; set; }

    public object? Get(string name) => name switch
    {
        "index" => new BigInteger(Index + 1),
        "index0" => new BigInteger(Index),
        "revindex" => new BigInteger(items.Count - Index),
        "revindex0" => new BigInteger(items.Count - Index - 1),
        "first" => Index == 0,
        "last" => Index == items.Count - 1,
        "length" => new BigInteger(items.Count),
        "depth" => new BigInteger(depth),
        "depth0" => new BigInteger(depth - 1),
        "previtem" => Index > 0 ? items[Index - 1] : new JinjaUndefined("there is no previous item"),
        "nextitem" => Index + 1 < items.Count ? items[Index + 1] : new JinjaUndefined("there is no next item"),
        "cycle" => new JinjaFunction((runtime, arguments) => arguments.Positional.Count == 0
            ? throw runtime.Fail("no items for cycling given")
            : arguments.Positional[Index % arguments.Positional.Count]),
        "changed" => new JinjaFunction((runtime, arguments) => Changed(runtime, arguments.Positional)),
        _ => new JinjaUndefined($"'loop' has no attribute '{name}'"),
    };

    private bool Changed(JinjaRuntime runtime, List<object?> values)
    {
        bool changed = _changed is null || !JinjaValues.SequenceEqual(runtime, _changed, values);
        _changed = values;
        return changed;
    }
}

/// <summary>Variables by name; a scope sees the scopes around it and writes only into itself.</summary>
internal sealed class JinjaScope(JinjaScope? parent)
{
    private readonly Dictionary<string, object?> _variables = new(StringComparer.Ordinal);

    public void Set(string name, object? value) => _variables[name] = value;

    public bool TryGet(string name, out object? value)
    {
        for (JinjaScope? scope = this; scope is not null; scope = scope.Parent)
            if (scope._variables.TryGetValue(name, out value))
                return true;
        value = null;
        return false;
    }

    private JinjaScope? Parent { get; } = parent;
}

/// <summary>Python's equality and hash for the keys of a dict.</summary>
internal sealed class JinjaKeyComparer : IEqualityComparer<object>
{
    public static JinjaKeyComparer Instance { get; } = new();

    public new bool Equals(object? x, object? y) => JinjaValues.AreEqual(null, x, y);

    public int GetHashCode(object obj) => obj switch
    {
        string text => text.GetHashCode(StringComparison.Ordinal),
        bool flag => (flag ? BigInteger.One : BigInteger.Zero).GetHashCode(),
        double number => double.IsInteger(number) ? new BigInteger(number).GetHashCode() : number.GetHashCode(),
        JinjaTuple tuple => tuple.Items.Aggregate(17, (hash, item) => hash * 31 + (item is null ? 0 : GetHashCode(item))),
        _ => obj.GetHashCode(),
    };
}
