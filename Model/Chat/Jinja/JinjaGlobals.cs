using System.Globalization;
using System.Numerics;
using System.Text;

namespace Mellum2.Managed.Model;

/// <summary>The functions that every template can call.</summary>
internal static class JinjaGlobals
{
    public static void AddTo(JinjaScope scope)
    {
        Add("raise_exception", (runtime, arguments) =>
            throw runtime.Fail(PythonFormat.Text(runtime, arguments.Bind(runtime, "raise_exception", "message")[0] is var message
                && ReferenceEquals(message, JinjaArguments.Missing) ? "" : message)));
        Add("namespace", (runtime, arguments) => Namespace(runtime, arguments));
        Add("dict", (runtime, arguments) => Dict(runtime, arguments));
        Add("range", (runtime, arguments) => Range(runtime, arguments));
        Add("strftime_now", (runtime, arguments) => TimeNow(runtime, arguments));
        foreach (string name in (string[])["lipsum", "cycler", "joiner"])
            Add(name, (runtime, _) => throw runtime.Fail($"the function '{name}' is not supported"));

        void Add(string name, Func<JinjaRuntime, JinjaArguments, object?> body) => scope.Set(name, new JinjaFunction(body));
    }

    private static JinjaNamespace Namespace(JinjaRuntime runtime, JinjaArguments arguments)
    {
        JinjaNamespace space = new();
        foreach ((object key, object? value) in Dict(runtime, arguments).Items)
            space.Attributes[key as string ?? throw runtime.Fail("the attributes of a namespace must be named by texts")] = value;
        return space;
    }

    private static JinjaDict Dict(JinjaRuntime runtime, JinjaArguments arguments)
    {
        if (arguments.Positional.Count > 1) throw runtime.Fail("'dict' and 'namespace' take at most one argument without a name");
        JinjaDict dict = new();
        if (arguments.Positional is [object source])
        {
            runtime.ChargeItems(JinjaValues.Length(source) ?? 0);
            if (source is JinjaDict other)
            {
                foreach ((object key, object? value) in other.Items) dict.Items[key] = value;
            }
            else
            {
                foreach (object? pair in JinjaValues.Iterate(runtime, source))
                {
                    if (JinjaValues.Iterate(runtime, pair) is not [object key, var value]) throw runtime.Fail("'dict' needs a dict or a list of pairs");
                    dict.Items[JinjaValues.Key(runtime, key)] = value;
                }
            }
        }
        foreach ((string name, object? value) in arguments.Keywords) dict.Items[name] = value;
        return dict;
    }

    private static JinjaRange Range(JinjaRuntime runtime, JinjaArguments arguments)
    {
        if (arguments.Positional.Count is < 1 or > 3 || arguments.Keywords.Count > 0) throw runtime.Fail("'range' takes one to three whole numbers");
        BigInteger[] bounds = [.. arguments.Positional.Select(value =>
            JinjaValues.TryNumber(runtime.Defined(value), out BigInteger whole, out _, out bool isReal) && !isReal
                ? whole : throw runtime.Fail($"'range' takes whole numbers, not a {JinjaValues.TypeName(value)}"))];
        BigInteger start = bounds.Length == 1 ? 0 : bounds[0];
        BigInteger stop = bounds.Length == 1 ? bounds[0] : bounds[1];
        BigInteger step = bounds.Length == 3 ? bounds[2] : 1;
        if (step.IsZero) throw runtime.Fail("the step of 'range' cannot be 0");
        BigInteger distance = step.Sign > 0 ? stop - start : start - stop;
        BigInteger size = BigInteger.Abs(step);
        BigInteger count = distance.Sign <= 0 ? 0 : (distance + size - 1) / size;
        if (count > runtime.Limits.RangeLength) throw runtime.Fail($"a range of {count} numbers is too long: at most {runtime.Limits.RangeLength} are allowed");
        return new JinjaRange(start, step, (int)count);
    }

    /// <summary>strftime of the local time, with English names.</summary>
    private static string TimeNow(JinjaRuntime runtime, JinjaArguments arguments)
    {
        if (arguments.Bind(runtime, "strftime_now", "format")[0] is not string format) throw runtime.Fail("'strftime_now' takes a format");
        DateTime now = runtime.Clock.GetLocalNow().DateTime;
        StringBuilder text = new();
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%')
            {
                text.Append(format[i]);
                continue;
            }
            char kind = ++i < format.Length ? format[i] : ' ';
            string? pattern = kind switch
            {
                'Y' => "yyyy",
                'm' => "MM",
                'd' => "dd",
                'H' => "HH",
                'I' => "hh",
                'M' => "mm",
                'S' => "ss",
                'y' => "yy",
                'f' => "ffffff",
                'B' => "MMMM",
                'b' => "MMM",
                'A' => "dddd",
                'a' => "ddd",
                'p' => "tt",
                'F' => "yyyy-MM-dd",
                'T' => "HH:mm:ss",
                'D' => "MM/dd/yy",
                'R' => "HH:mm",
                _ => null,
            };
            if (pattern is not null) text.Append(now.ToString(pattern, CultureInfo.InvariantCulture));
            else if (kind == 'j') text.Append(now.DayOfYear.ToString("000", CultureInfo.InvariantCulture));
            else if (kind == '%') text.Append('%');
            else throw runtime.Fail($"the time format '%{kind}' is not supported");
        }
        return text.ToString();
    }
}
