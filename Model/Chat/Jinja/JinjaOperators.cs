using System.Globalization;
using System.Numerics;

namespace Mellum2.Managed.Model;

/// <summary>Python's <c>+ - * / // % **</c> on numbers, and what they mean on texts and lists.</summary>
internal static class JinjaOperators
{
    public static object Apply(JinjaRuntime runtime, string op, object? a, object? b)
    {
        runtime.Defined(a);
        runtime.Defined(b);
        if (JinjaValues.TryNumber(a, out BigInteger aw, out double ar, out bool aReal) && JinjaValues.TryNumber(b, out BigInteger bw, out double br, out bool bReal))
        {
            if (!aReal && !bReal && !(op == "/" || (op == "**" && bw.Sign < 0))) return Whole(runtime, op, aw, bw);
            if (!aReal && !bReal && op == "/") return Divide(runtime, aw, bw);
            return Real(runtime, op, aReal ? ar : ToReal(runtime, aw), bReal ? br : ToReal(runtime, bw));
        }
        switch (op, a, b)
        {
            case ("+", string x, string y):
                runtime.Charge((long)x.Length + y.Length);
                return x + y;
            case ("+", JinjaList x, JinjaList y):
                runtime.ChargeItems((long)x.Items.Count + y.Items.Count);
                return new JinjaList([.. x.Items, .. y.Items]);
            case ("+", JinjaTuple x, JinjaTuple y):
                runtime.ChargeItems((long)x.Items.Count + y.Items.Count);
                return new JinjaTuple([.. x.Items, .. y.Items]);
            case ("*", string or JinjaList or JinjaTuple, bool or BigInteger):
                return Repeat(runtime, a, Times(b));
            case ("*", bool or BigInteger, string or JinjaList or JinjaTuple):
                return Repeat(runtime, b, Times(a));
            case ("%", string format, _):
                return PythonTemplates.Format(runtime, format, b);
            default:
                throw runtime.Fail($"'{op}' is not defined between a {JinjaValues.TypeName(a)} and a {JinjaValues.TypeName(b)}");
        }

        static BigInteger Times(object? value) => value is bool flag ? (flag ? 1 : 0) : (BigInteger)value!;
    }

    private static object Repeat(JinjaRuntime runtime, object sequence, BigInteger times)
    {
        int length = sequence is string text ? text.Length : JinjaValues.Elements(sequence)!.Count;
        if (times.Sign <= 0 || length == 0) times = 0;
        BigInteger total = times * length;
        long size = (long)BigInteger.Min(total, long.MaxValue);
        if (sequence is string) runtime.Charge(size);
        else runtime.ChargeItems(size);
        if (sequence is string s) return string.Concat(Enumerable.Repeat(s, (int)times));
        object?[] items = [.. Enumerable.Repeat(JinjaValues.Elements(sequence)!, (int)times).SelectMany(part => part)];
        return sequence is JinjaTuple ? new JinjaTuple(items) : new JinjaList(items);
    }

    private static BigInteger Whole(JinjaRuntime runtime, string op, BigInteger a, BigInteger b)
    {
        runtime.Work(0);
        switch (op)
        {
            case "+": return Bounded(runtime, a + b);
            case "-": return Bounded(runtime, a - b);
            case "*":
                CheckBits(runtime, a.GetBitLength() + b.GetBitLength());
                return a * b;
            case "**":
                if (BigInteger.Abs(a) > 1)
                {
                    if (b > runtime.Limits.NumberBits) CheckBits(runtime, long.MaxValue);
                    CheckBits(runtime, (long)b * (a.GetBitLength() - 1));
                    return BigInteger.Pow(a, (int)b);
                }
                return b.IsZero || a.IsOne ? BigInteger.One : a.IsZero ? a : b.IsEven ? BigInteger.One : BigInteger.MinusOne;
            default:
                if (b.IsZero) throw runtime.Fail($"division by zero in '{op}'");
                BigInteger quotient = BigInteger.DivRem(a, b, out BigInteger rest);
                bool adjust = !rest.IsZero && rest.Sign != b.Sign;
                return op == "//" ? (adjust ? quotient - 1 : quotient) : adjust ? rest + b : rest;
        }
    }

    private static BigInteger Bounded(JinjaRuntime runtime, BigInteger value)
    {
        CheckBits(runtime, value.GetBitLength());
        return value;
    }

    private static void CheckBits(JinjaRuntime runtime, long bits)
    {
        if (bits > runtime.Limits.NumberBits) throw runtime.Fail($"a whole number of more than {runtime.Limits.NumberBits} bits is not supported");
    }

    private static double ToReal(JinjaRuntime runtime, BigInteger value)
    {
        double real = (double)value;
        // The conversion of .NET truncates; Python rounds to the nearest, halves to even.
        if (value.GetBitLength() > 53) real = double.Parse(value.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
        return double.IsInfinity(real) ? throw runtime.Fail("a whole number is too large for a float") : real;
    }

    /// <summary>int / int, rounded once.</summary>
    private static double Divide(JinjaRuntime runtime, BigInteger a, BigInteger b)
    {
        if (b.IsZero) throw runtime.Fail("division by zero in '/'");
        if (a.GetBitLength() <= 53 && b.GetBitLength() <= 53) return (double)a / (double)b;
        // A quotient of at least 66 bits whose lowest bit also stands for the rest rounds like the exact one.
        long shift = 66 - (a.GetBitLength() - b.GetBitLength());
        BigInteger top = shift > 0 ? BigInteger.Abs(a) << (int)shift : BigInteger.Abs(a);
        BigInteger bottom = shift < 0 ? BigInteger.Abs(b) << (int)-shift : BigInteger.Abs(b);
        BigInteger quotient = BigInteger.DivRem(top, bottom, out BigInteger rest);
        if (!rest.IsZero) quotient |= 1;
        double scaled = ToReal(runtime, quotient);
        double value = Math.ScaleB(scaled, (int)-shift);
        if (double.IsInfinity(value)) throw runtime.Fail("the result of '/' is too large for a float");
        return a.Sign * b.Sign < 0 ? -value : value;
    }

    private static double Real(JinjaRuntime runtime, string op, double a, double b)
    {
        if (b == 0 && op is ("/" or "//" or "%")) throw runtime.Fail($"division by zero in '{op}'");
        switch (op)
        {
            case "+": return a + b;
            case "-": return a - b;
            case "*": return a * b;
            case "/": return a / b;
            case "**":
                if (a == 0 && b < 0) throw runtime.Fail("0 cannot be raised to a negative power");
                if (a < 0 && double.IsFinite(a) && double.IsFinite(b) && !double.IsInteger(b)) throw runtime.Fail("a negative number to a fractional power is not supported");
                double power = Math.Pow(a, b);
                if (double.IsInfinity(power) && double.IsFinite(a) && double.IsFinite(b)) throw runtime.Fail("the result of '**' is too large for a float");
                return power;
            default:
                double rest = a % b;
                double quotient = (a - rest) / b;
                if (rest != 0 && rest < 0 != b < 0) (rest, quotient) = (rest + b, quotient - 1);
                else if (rest == 0) rest = Math.CopySign(0, b);
                if (op == "%") return rest;
                double floor = Math.Floor(quotient);
                if (quotient - floor > 0.5) floor += 1;
                return quotient == 0 ? Math.CopySign(0, a / b) : floor;
        }
    }
}
