using System.Globalization;
using System.Numerics;

namespace Mellum2.Managed.Model;

internal sealed partial class JinjaParser
{
    /// <summary>One expression, or several with commas between them, which make a tuple.</summary>
    private JinjaExpression Tuple(bool withConditional = true, string? endName = null, bool inParentheses = false)
    {
        int line = Current.Line;
        List<JinjaExpression> items = [];
        bool isTuple = false;
        while (true)
        {
            if (items.Count > 0) ExpectOperator(",");
            if (Current.Kind is JinjaTokenKind.VariableEnd or JinjaTokenKind.BlockEnd || IsOperator(")") || (endName is not null && IsName(endName))) break;
            items.Add(withConditional ? Expression() : Nested(Or));
            if (!IsOperator(",")) break;
            isTuple = true;
        }
        if (isTuple) return new JinjaTupleLiteral(line, items);
        if (items.Count > 0) return items[0];
        if (!inParentheses) throw Fail(line, $"expected an expression but found {Current.Describe()}");
        return new JinjaTupleLiteral(line, []);
    }

    private JinjaExpression Expression() => Nested(Conditional);

    private JinjaExpression Nested(Func<JinjaExpression> parse)
    {
        Enter();
        JinjaExpression expression = parse();
        Leave();
        return expression;
    }

    private JinjaExpression Conditional()
    {
        int line = Current.Line;
        JinjaExpression then = Or();
        while (SkipName("if"))
        {
            JinjaExpression test = Or();
            JinjaExpression? otherwise = SkipName("else") ? Nested(Conditional) : null;
            then = new JinjaConditional(line, test, then, otherwise);
        }
        return then;
    }

    private JinjaExpression Or()
    {
        int line = Current.Line;
        JinjaExpression left = And();
        while (SkipName("or")) left = new JinjaLogical(line, false, left, And());
        return left;
    }

    private JinjaExpression And()
    {
        int line = Current.Line;
        JinjaExpression left = Not();
        while (SkipName("and")) left = new JinjaLogical(line, true, left, Not());
        return left;
    }

    private JinjaExpression Not()
    {
        int line = Current.Line;
        return SkipName("not") ? new JinjaNot(line, Nested(Not)) : Comparison();
    }

    private JinjaExpression Comparison()
    {
        int line = Current.Line;
        JinjaExpression first = Sum();
        List<(string, JinjaExpression)> rest = [];
        while (true)
        {
            string? found = null;
            if (Current is { Kind: JinjaTokenKind.Operator, Text: "==" or "!=" or "<" or "<=" or ">" or ">=" }) found = Next().Text;
            else if (SkipName("in")) found = "in";
            else if (IsName("not") && _tokens[_position + 1].Is(JinjaTokenKind.Name, "in"))
            {
                _position += 2;
                found = "not in";
            }
            if (found is null) break;
            rest.Add((found, Sum()));
        }
        return rest.Count == 0 ? first : new JinjaComparison(line, first, rest);
    }

    private JinjaExpression Sum()
    {
        JinjaExpression left = Concat();
        while (Current is { Kind: JinjaTokenKind.Operator, Text: "+" or "-" })
        {
            JinjaToken op = Next();
            left = new JinjaArithmetic(op.Line, op.Text, left, Concat());
        }
        return left;
    }

    private JinjaExpression Concat()
    {
        int line = Current.Line;
        JinjaExpression first = Product();
        if (!IsOperator("~")) return first;
        List<JinjaExpression> parts = [first];
        while (SkipOperator("~")) parts.Add(Product());
        return new JinjaConcat(line, parts);
    }

    private JinjaExpression Product()
    {
        JinjaExpression left = Power();
        while (Current is { Kind: JinjaTokenKind.Operator, Text: "*" or "/" or "//" or "%" })
        {
            JinjaToken op = Next();
            left = new JinjaArithmetic(op.Line, op.Text, left, Power());
        }
        return left;
    }

    private JinjaExpression Power()
    {
        JinjaExpression left = Unary(withFilter: true);
        while (IsOperator("**"))
        {
            JinjaToken op = Next();
            left = new JinjaArithmetic(op.Line, "**", left, Unary(withFilter: true));
        }
        return left;
    }

    private JinjaExpression Unary(bool withFilter)
    {
        JinjaExpression node;
        if (Current is { Kind: JinjaTokenKind.Operator, Text: "-" or "+" })
        {
            JinjaToken sign = Next();
            node = new JinjaSign(sign.Line, sign.Text == "-", Nested(() => Unary(withFilter: false)));
        }
        else
        {
            node = Primary();
        }
        node = Postfix(node);
        return withFilter ? FiltersAndTests(node) : node;
    }

    private JinjaExpression Primary()
    {
        JinjaToken token = Next();
        switch (token.Kind)
        {
            case JinjaTokenKind.Name:
                switch (token.Text)
                {
                    case "true" or "True": return new JinjaLiteral(token.Line, true);
                    case "false" or "False": return new JinjaLiteral(token.Line, false);
                    case "none" or "None": return new JinjaLiteral(token.Line, null);
                }
                foreach (HashSet<string> used in _macroNames) used.Add(token.Text);
                return new JinjaName(token.Line, token.Text);
            case JinjaTokenKind.Text:
                string text = token.Text;
                while (Current.Kind == JinjaTokenKind.Text) text += Next().Text;
                return new JinjaLiteral(token.Line, text);
            case JinjaTokenKind.Integer:
                return new JinjaLiteral(token.Line, PythonText.ParseInteger(token.Text, 0));
            case JinjaTokenKind.Float:
                return new JinjaLiteral(token.Line, double.Parse(token.Text, CultureInfo.InvariantCulture));
            case JinjaTokenKind.Operator when token.Text == "(":
                JinjaExpression inner = Tuple(inParentheses: true);
                ExpectOperator(")");
                return inner;
            case JinjaTokenKind.Operator when token.Text == "[":
                return new JinjaListLiteral(token.Line, Items("]", Expression));
            case JinjaTokenKind.Operator when token.Text == "{":
                return new JinjaDictLiteral(token.Line, Items("}", () =>
                {
                    JinjaExpression key = Expression();
                    ExpectOperator(":");
                    return (key, Expression());
                }));
            default:
                throw Fail(token.Line, $"expected an expression but found {token.Describe()}");
        }
    }

    private List<T> Items<T>(string end, Func<T> parse)
    {
        List<T> items = [];
        while (!IsOperator(end))
        {
            if (items.Count > 0) ExpectOperator(",");
            if (IsOperator(end)) break;
            items.Add(parse());
        }
        Next();
        return items;
    }

    private JinjaExpression Postfix(JinjaExpression node)
    {
        while (true)
        {
            int line = Current.Line;
            if (SkipOperator("."))
            {
                JinjaToken name = Next();
                node = name.Kind switch
                {
                    JinjaTokenKind.Name => Attribute(line, node, name.Text),
                    JinjaTokenKind.Integer => new JinjaItem(line, node, new JinjaLiteral(line, PythonText.ParseInteger(name.Text, 0))),
                    _ => throw Fail(name.Line, $"expected a name or a number after '.' but found {name.Describe()}"),
                };
            }
            else if (IsOperator("["))
            {
                node = Subscript(node);
            }
            else if (IsOperator("("))
            {
                node = new JinjaCall(line, node, Arguments());
            }
            else
            {
                return node;
            }
        }
    }

    private JinjaAttribute Attribute(int line, JinjaExpression target, string name)
    {
        if (IsOperator("(") && JinjaMethods.IsUnsupported(name)) throw Fail(line, $"the method '{name}' is not supported");
        return new JinjaAttribute(line, target, name);
    }

    private JinjaExpression Subscript(JinjaExpression target)
    {
        int line = Next().Line;
        JinjaExpression? start = IsOperator(":") ? null : Expression();
        if (IsOperator(",")) throw Fail(line, "a subscript with a comma is not supported");
        if (!IsOperator(":"))
        {
            ExpectOperator("]");
            return new JinjaItem(line, target, start!);
        }
        Next();
        JinjaExpression? stop = IsOperator(":") || IsOperator("]") ? null : Expression();
        JinjaExpression? step = SkipOperator(":") && !IsOperator("]") ? Expression() : null;
        ExpectOperator("]");
        return new JinjaSlice(line, target, start, stop, step);
    }

    private List<JinjaArgument> Arguments()
    {
        ExpectOperator("(");
        bool named = false;
        return Items(")", () =>
        {
            int line = Current.Line;
            if (SkipOperator("*")) return new JinjaArgument(JinjaArgumentKind.Spread, "", Expression());
            if (SkipOperator("**"))
            {
                named = true;
                return new JinjaArgument(JinjaArgumentKind.SpreadKeywords, "", Expression());
            }
            if (Current.Kind == JinjaTokenKind.Name && _tokens[_position + 1].Is(JinjaTokenKind.Operator, "="))
            {
                string name = Next().Text;
                Next();
                named = true;
                return new JinjaArgument(JinjaArgumentKind.Keyword, name, Expression());
            }
            if (named) throw Fail(line, "an argument without a name follows one with a name");
            return new JinjaArgument(JinjaArgumentKind.Positional, "", Expression());
        });
    }

    private JinjaExpression FiltersAndTests(JinjaExpression node)
    {
        while (true)
        {
            int line = Current.Line;
            if (SkipOperator("|"))
            {
                node = Filter(node);
            }
            else if (SkipName("is"))
            {
                bool negated = SkipName("not");
                node = Test(node, line);
                if (negated) node = new JinjaNot(line, node);
            }
            else if (IsOperator("("))
            {
                node = new JinjaCall(line, node, Arguments());
            }
            else
            {
                return node;
            }
        }
    }

    private JinjaFilterCall Filter(JinjaExpression? target)
    {
        int line = Current.Line;
        string name = ExpectName("the name of a filter");
        while (SkipOperator(".")) name += "." + ExpectName("the name of a filter");
        JinjaFilter filter = JinjaFilters.Find(name) ?? throw Fail(line, $"the filter '{name}' is not supported");
        List<JinjaArgument> arguments = IsOperator("(") ? Arguments() : [];
        CheckNamed(filter.Name, arguments, line);
        return new JinjaFilterCall(line, target, filter, arguments);
    }

    /// <summary>map, select and their kin name another filter or test: what is not supported is refused before rendering.</summary>
    private void CheckNamed(string filter, List<JinjaArgument> arguments, int line)
    {
        int at = filter switch { "map" or "select" or "reject" => 0, "selectattr" or "rejectattr" => 1, _ => int.MaxValue };
        if (at >= arguments.Count || arguments[at] is not { Kind: JinjaArgumentKind.Positional, Value: JinjaLiteral { Value: string name } }) return;
        if (filter == "map" && JinjaFilters.Find(name) is null) throw Fail(line, $"the filter '{name}' is not supported");
        if (filter != "map" && JinjaTests.Find(name) is null) throw Fail(line, $"the test '{name}' is not supported");
    }

    private JinjaTestCall Test(JinjaExpression target, int line)
    {
        string name = ExpectName("the name of a test");
        while (SkipOperator(".")) name += "." + ExpectName("the name of a test");
        JinjaTest test = JinjaTests.Find(name) ?? throw Fail(line, $"the test '{name}' is not supported");
        List<JinjaArgument> arguments = [];
        if (IsOperator("("))
        {
            arguments = Arguments();
        }
        else if ((Current.Kind is JinjaTokenKind.Name or JinjaTokenKind.Text or JinjaTokenKind.Integer or JinjaTokenKind.Float || IsOperator("[") || IsOperator("{"))
            && !IsName("else") && !IsName("or") && !IsName("and"))
        {
            if (IsName("is")) throw Fail(Current.Line, "tests with 'is' cannot be chained");
            arguments = [new JinjaArgument(JinjaArgumentKind.Positional, "", Postfix(Primary()))];
        }
        return new JinjaTestCall(line, target, test, arguments);
    }
}
