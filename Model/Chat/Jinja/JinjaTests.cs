using System.Numerics;

namespace Mellum2.Managed.Model;

/// <summary>A test: <c>value is name(arguments)</c>.</summary>
internal sealed record JinjaTest(string Name, Func<JinjaRuntime, object?, JinjaArguments, bool> Apply);

/// <summary>The tests of jinja2.</summary>
internal static class JinjaTests
{
    private static readonly Dictionary<string, JinjaTest> s_tests = Build();

    public static JinjaTest? Find(string name) => s_tests.GetValueOrDefault(name);

    private static Dictionary<string, JinjaTest> Build()
    {
        Dictionary<string, JinjaTest> tests = new(StringComparer.Ordinal);
        Plain("defined", value => value is not JinjaUndefined);
        Plain("undefined", value => value is JinjaUndefined);
        Plain("none", value => value is null);
        Plain("boolean", value => value is bool);
        Plain("true", value => value is true);
        Plain("false", value => value is false);
        Plain("integer", value => value is BigInteger);
        Plain("float", value => value is double);
        Plain("number", value => value is bool or BigInteger or double);
        Plain("string", value => value is string or JinjaMarkup);
        Plain("mapping", value => value is JinjaDict);
        Plain("iterable", JinjaValues.CanIterate);
        Plain("sequence", value => value is string or JinjaMarkup or JinjaList or JinjaTuple or JinjaDict or JinjaRange or JinjaUndefined);
        Plain("callable", value => value is JinjaCallable or JinjaUndefined);
        Plain("escaped", value => value is JinjaMarkup);
        Add("odd", 0, (runtime, value, _) => !Remainder(runtime, value, new BigInteger(2)).IsZero);
        Add("even", 0, (runtime, value, _) => Remainder(runtime, value, new BigInteger(2)).IsZero);
        Add("divisibleby", 1, (runtime, value, arguments) => Remainder(runtime, value, arguments.Positional[0]).IsZero);
        Add("lower", 0, (runtime, value, _) => JinjaMethods.HasCase(PythonFormat.Text(runtime, value), upper: false));
        Add("upper", 0, (runtime, value, _) => JinjaMethods.HasCase(PythonFormat.Text(runtime, value), upper: true));
        Add("in", 1, (runtime, value, arguments) => JinjaValues.Contains(runtime, arguments.Positional[0], value));
        Add("sameas", 1, (_, value, arguments) => IsSame(value, arguments.Positional[0]));
        Add("filter", 0, (_, value, _) => value is string name && JinjaFilters.Find(name) is not null);
        Add("test", 0, (_, value, _) => value is string name && s_tests.ContainsKey(name));
        foreach (string name in (string[])["eq", "equalto", "=="]) Add(name, 1, (runtime, value, arguments) => JinjaValues.AreEqual(runtime, value, arguments.Positional[0]));
        foreach (string name in (string[])["ne", "!="]) Add(name, 1, (runtime, value, arguments) => !JinjaValues.AreEqual(runtime, value, arguments.Positional[0]));
        Order("<", "lt", "lessthan");
        Order("<=", "le");
        Order(">", "gt", "greaterthan");
        Order(">=", "ge");
        return tests;

        void Add(string name, int count, Func<JinjaRuntime, object?, JinjaArguments, bool> apply) =>
            tests.Add(name, new JinjaTest(name, (runtime, value, arguments) =>
            {
                if (arguments.Positional.Count != count || arguments.Keywords.Count > 0)
                    throw runtime.Fail($"the test '{name}' takes {count} argument(s)");
                return apply(runtime, value, arguments);
            }));

        void Plain(string name, Func<object?, bool> apply) => Add(name, 0, (_, value, _) => apply(value));

        void Order(string op, params ReadOnlySpan<string> names)
        {
            foreach (string name in (string[])[op, .. names])
                Add(name, 1, (runtime, value, arguments) => JinjaValues.Ordered(runtime, op, value, arguments.Positional[0]));
        }
    }

    private static BigInteger Remainder(JinjaRuntime runtime, object? value, object? divisor)
    {
        object result = JinjaOperators.Apply(runtime, "%", value, divisor);
        return result switch
        {
            BigInteger whole => whole,
            double real => real == 0 ? BigInteger.Zero : BigInteger.One,
            _ => throw runtime.Fail($"a {JinjaValues.TypeName(value)} has no remainder"),
        };
    }

    /// <summary>Python's <c>is</c>, for which equal texts and numbers of one type count as one object here.</summary>
    private static bool IsSame(object? a, object? b) =>
        ReferenceEquals(a, b) || (a is bool or BigInteger or double or string && a.GetType() == b?.GetType() && a.Equals(b));
}
