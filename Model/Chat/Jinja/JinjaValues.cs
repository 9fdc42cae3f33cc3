using System.Numerics;
using System.Runtime.CompilerServices;

namespace Mellum2.Managed.Model;

/// <summary>What values can do whatever their type: truth, equality, order, membership, items and attributes.</summary>
internal static class JinjaValues
{
    /// <summary>The type's name as jinja2's messages give it.</summary>
    public static string TypeName(object? value) => value switch
    {
        null => "None",
        bool => "bool object",
        BigInteger => "int object",
        double => "float object",
        string => "str object",
        JinjaList => "list object",
        JinjaTuple => "tuple object",
        JinjaDict => "dict object",
        JinjaView view => view.Kind + " object",
        JinjaRange => "range object",
        JinjaGenerator => "generator object",
        JinjaMarkup => "text marked safe",
        JinjaNamespace => "namespace object",
        JinjaMacro => "macro object",
        JinjaLoop => "loop object",
        JinjaUndefined => "Undefined",
        _ => "function object",
    };

    public static bool IsTrue(object? value) => value switch
    {
        null or JinjaUndefined => false,
        bool flag => flag,
        BigInteger number => !number.IsZero,
        double number => number != 0,
        string text => text.Length > 0,
        JinjaMarkup markup => markup.Text.Length > 0,
        JinjaDict dict => dict.Items.Count > 0,
        JinjaRange range => range.Count > 0,
        _ => Elements(value) is not { Count: 0 },
    };

    /// <summary>The elements of a list, tuple or view; null for anything else.</summary>
    public static IReadOnlyList<object?>? Elements(object? value) => value switch
    {
        JinjaList list => list.Items,
        JinjaTuple tuple => tuple.Items,
        JinjaView view => view.Items,
        _ => null,
    };

    /// <summary>int, float or bool as a number; false for anything else.</summary>
    public static bool TryNumber(object? value, out BigInteger whole, out double real, out bool isReal)
    {
        (whole, real, isReal) = (default, 0, false);
        switch (value)
        {
            case bool flag: whole = flag ? 1 : 0; return true;
            case BigInteger number: whole = number; return true;
            case double number: (real, isReal) = (number, true); return true;
            default: return false;
        }
    }

    /// <summary><c>a == b</c>; the runtime counts the steps (the keys of a dict are scalars or tuples of them and need none).</summary>
    public static bool AreEqual(JinjaRuntime? runtime, object? a, object? b)
    {
        if (ReferenceEquals(a, b)) return true;
        runtime?.Work(a is string text ? text.Length : 0);
        RuntimeHelpers.EnsureSufficientExecutionStack();
        if (TryNumber(a, out BigInteger aw, out double ar, out bool aReal) && TryNumber(b, out BigInteger bw, out double br, out bool bReal))
            return CompareNumbers(aw, ar, aReal, bw, br, bReal) == 0;
        return (a, b) switch
        {
            (string x, string y) => x == y,
            (JinjaMarkup x, string y) => x.Text == y,
            (string x, JinjaMarkup y) => x == y.Text,
            (JinjaMarkup x, JinjaMarkup y) => x.Text == y.Text,
            (JinjaList x, JinjaList y) => SequenceEqual(runtime, x.Items, y.Items),
            (JinjaTuple x, JinjaTuple y) => SequenceEqual(runtime, x.Items, y.Items),
            (JinjaDict x, JinjaDict y) => x.Items.Count == y.Items.Count
                && x.Items.All(item => y.Items.TryGetValue(item.Key, out object? other) && AreEqual(runtime, item.Value, other)),
            (JinjaUndefined, JinjaUndefined) => true,
            (JinjaRange x, JinjaRange y) => x.Count == y.Count && (x.Count == 0 || (x.Start == y.Start && (x.Count == 1 || x.Step == y.Step))),
            _ => false,
        };
    }

    public static bool SequenceEqual(JinjaRuntime? runtime, IReadOnlyList<object?> a, IReadOnlyList<object?> b)
    {
        if (a.Count != b.Count) return false;
        for (int i = 0; i < a.Count; i++)
            if (!AreEqual(runtime, a[i], b[i])) return false;
        return true;
    }

    /// <summary>The order of two numbers, exact between int and float; null if one is NaN.</summary>
    private static int? CompareNumbers(BigInteger aw, double ar, bool aReal, BigInteger bw, double br, bool bReal)
    {
        if (!aReal && !bReal) return aw.CompareTo(bw);
        if (aReal && bReal) return double.IsNaN(ar) || double.IsNaN(br) ? null : ar.CompareTo(br);
        double real = aReal ? ar : br;
        if (double.IsNaN(real)) return null;
        BigInteger whole = aReal ? bw : aw;
        int order; // of the whole number against the real one
        if (double.IsInfinity(real))
        {
            order = real > 0 ? -1 : 1;
        }
        else
        {
            double floor = Math.Floor(real);
            order = whole.CompareTo(new BigInteger(floor));
            if (order == 0 && real > floor) order = -1;
        }
        return aReal ? -order : order;
    }

    /// <summary>Whether <c>a op b</c> for one of &lt;, &lt;=, &gt;, &gt;=.</summary>
    public static bool Ordered(JinjaRuntime runtime, string op, object? a, object? b)
    {
        if (TryNumber(a, out BigInteger aw, out double ar, out bool aReal) && TryNumber(b, out BigInteger bw, out double br, out bool bReal))
            return CompareNumbers(aw, ar, aReal, bw, br, bReal) is int order && Holds(op, order);
        return Holds(op, Compare(runtime, op, a, b));

        static bool Holds(string op, int order) => op switch { "<" => order < 0, "<=" => order <= 0, ">" => order > 0, _ => order >= 0 };
    }

    /// <summary>The order of two values that have one; <paramref name="op"/> is named when they do not.</summary>
    public static int Compare(JinjaRuntime runtime, string op, object? a, object? b)
    {
        runtime.Defined(a);
        runtime.Defined(b);
        RuntimeHelpers.EnsureSufficientExecutionStack();
        if (TryNumber(a, out BigInteger aw, out double ar, out bool aReal) && TryNumber(b, out BigInteger bw, out double br, out bool bReal))
            return CompareNumbers(aw, ar, aReal, bw, br, bReal) ?? 0;
        if (a is string x && b is string y) return PythonText.Compare(x, y);
        if ((a, b) is (JinjaList, JinjaList) or (JinjaTuple, JinjaTuple))
        {
            IReadOnlyList<object?> left = Elements(a)!, right = Elements(b)!;
            for (int i = 0; i < Math.Min(left.Count, right.Count); i++)
            {
                runtime.Step();
                if (!AreEqual(runtime, left[i], right[i])) return Compare(runtime, op, left[i], right[i]);
            }
            return left.Count.CompareTo(right.Count);
        }
        throw runtime.Fail($"'{op}' is not defined between a {TypeName(a)} and a {TypeName(b)}");
    }

    public static bool Contains(JinjaRuntime runtime, object? container, object? item)
    {
        switch (container)
        {
            case string text:
                runtime.Defined(item);
                if (item is not string part) throw runtime.Fail($"'in' needs a text on its left when a text is on its right, not a {TypeName(item)}");
                runtime.Work(text.Length);
                return text.Contains(part, StringComparison.Ordinal);
            case JinjaDict dict:
                return item is not null && dict.Items.ContainsKey(Key(runtime, item));
            case JinjaUndefined:
                return false;
            default:
                foreach (object? element in Iterate(runtime, container))
                {
                    runtime.Step();
                    if (AreEqual(runtime, element, item)) return true;
                }
                return false;
        }
    }

    /// <summary>The value as a dict's key, or a failure if it cannot be one.</summary>
    public static object Key(JinjaRuntime runtime, object? value) => value switch
    {
        string or bool or BigInteger or double => value,
        JinjaTuple tuple when tuple.Items.All(item => item is string or bool or BigInteger or double) => tuple,
        _ => throw runtime.Fail($"a {TypeName(value)} as the key of a dict is not supported"),
    };

    public static bool CanIterate(object? value) =>
        value is string or JinjaList or JinjaTuple or JinjaDict or JinjaView or JinjaRange or JinjaGenerator or JinjaUndefined or JinjaMarkup;

    /// <summary>What a loop over the value visits: characters of a text, keys of a dict, nothing for an undefined value.</summary>
    public static IReadOnlyList<object?> Iterate(JinjaRuntime runtime, object? value)
    {
        switch (value)
        {
            case string text:
                runtime.ChargeItems(text.Length);
                return PythonText.CodePoints(text);
            case JinjaDict dict:
                runtime.ChargeItems(dict.Items.Count);
                return [.. dict.Items.Keys];
            case JinjaRange range:
                runtime.ChargeItems(range.Count);
                return [.. Enumerable.Range(0, range.Count).Select(i => range[i])];
            case JinjaGenerator generator: return generator.TakeAll();
            case JinjaUndefined: return [];
            default: return Elements(value) ?? throw runtime.Fail($"a {TypeName(value)} is not iterable");
        }
    }

    /// <summary>len(value), or null if the value has no length.</summary>
    public static int? Length(object? value) => value switch
    {
        string text => PythonText.Length(text),
        JinjaMarkup markup => PythonText.Length(markup.Text),
        JinjaDict dict => dict.Items.Count,
        JinjaRange range => range.Count,
        JinjaUndefined => 0,
        _ => Elements(value)?.Count,
    };

    /// <summary><c>owner.name</c>: a method, else the key of a dict, else undefined.</summary>
    public static object? Attribute(JinjaRuntime runtime, object? owner, string name)
    {
        runtime.Defined(owner);
        if (JinjaMethods.Find(owner, name) is object method) return method;
        if (owner is JinjaDict dict && dict.Items.TryGetValue(name, out object? value)) return value;
        if (owner is JinjaNamespace space && space.Attributes.TryGetValue(name, out value)) return value;
        if (owner is JinjaLoop loop) return loop.Get(name);
        if (owner is JinjaMarkup) throw runtime.Fail($"'{name}' of a text that the filter 'safe' gave is not supported");
        return JinjaUndefined.Attribute(owner, name);
    }

    /// <summary><c>owner[index]</c>: a key or position, else a method or attribute of that name, else undefined.</summary>
    public static object? Item(JinjaRuntime runtime, object? owner, object? index)
    {
        runtime.Defined(owner);
        if (owner is JinjaDict dict)
        {
            if (index is string or bool or BigInteger or double or JinjaTuple && dict.Items.TryGetValue(index, out object? value)) return value;
        }
        else if (TryNumber(index, out BigInteger position, out _, out bool isReal) && !isReal && owner is string or JinjaList or JinjaTuple or JinjaRange)
        {
            int length = Length(owner)!.Value;
            if (position < 0) position += length;
            if (position < 0 || position >= length) return JinjaUndefined.Element(owner, index);
            int at = (int)position;
            if (owner is not string text) return owner is JinjaRange range ? range[at] : Elements(owner)![at];
            if (length < text.Length) runtime.Work(text.Length);
            int unit = length == text.Length ? at : PythonText.UnitOf(text, at);
            return char.IsHighSurrogate(text[unit]) && length < text.Length ? text.Substring(unit, PythonText.UnitOf(text[unit..], 1)) : text[unit].ToString();
        }
        if (index is string name) return owner is JinjaDict ? JinjaMethods.Find(owner, name) ?? JinjaUndefined.Attribute(owner, name) : Attribute(runtime, owner, name);
        return JinjaUndefined.Element(owner, index);
    }

    /// <summary><c>owner[start:stop:step]</c> of a text, list, tuple or range.</summary>
    public static object Slice(JinjaRuntime runtime, object? owner, object? start, object? stop, object? step)
    {
        runtime.Defined(owner);
        if (owner is not (string or JinjaList or JinjaTuple or JinjaRange)) throw runtime.Fail($"a {TypeName(owner)} cannot be sliced");
        bool wholeText = owner is string s && PythonText.Length(s) == s.Length;
        IReadOnlyList<object?>? items = owner is string text ? (wholeText ? null : PythonText.CodePoints(text)) : Elements(owner) ?? Iterate(runtime, owner);
        int length = items?.Count ?? ((string)owner).Length;
        BigInteger by = Bound(step) ?? 1;
        if (by.IsZero) throw runtime.Fail("the step of a slice cannot be 0");
        int low = by.Sign > 0 ? 0 : -1, high = by.Sign > 0 ? length : length - 1;
        int from = Clamp(Bound(start)) ?? (by.Sign > 0 ? low : high);
        int to = Clamp(Bound(stop)) ?? (by.Sign > 0 ? high : low);
        int stride = (int)BigInteger.Max(-length - 1, BigInteger.Min(length + 1, by));
        int count = stride > 0 ? Math.Max(0, (to - from + stride - 1) / stride) : Math.Max(0, (from - to - stride - 1) / -stride);
        if (owner is string) runtime.Charge(count);
        else runtime.ChargeItems(count);
        if (items is null)
        {
            string source = (string)owner;
            if (stride == 1) return source.Substring(from, count);
            char[] picked = new char[count];
            for (int i = 0; i < count; i++) picked[i] = source[from + i * stride];
            return new string(picked);
        }
        object?[] part = new object?[count];
        for (int i = 0; i < count; i++) part[i] = items[from + i * stride];
        return owner is string ? string.Concat(part) : owner is JinjaTuple ? new JinjaTuple(part) : new JinjaList(part);

        int? Clamp(BigInteger? bound)
        {
            if (bound is not BigInteger value) return null;
            if (value < 0) value += length;
            return (int)BigInteger.Max(low, BigInteger.Min(high, value));
        }

        BigInteger? Bound(object? value)
        {
            runtime.Defined(value);
            if (value is null) return null;
            if (TryNumber(value, out BigInteger whole, out _, out bool isReal) && !isReal) return whole;
            throw runtime.Fail($"the bounds of a slice must be whole numbers, not a {TypeName(value)}");
        }
    }
}
