using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

/// <summary>Statements of a template; <c>JinjaParser.Expressions.cs</c> holds the expressions. The grammar is jinja2 3.1's.</summary>
internal sealed partial class JinjaParser
{
    private readonly List<JinjaToken> _tokens;
    private readonly string _name;
    private readonly JinjaLimits _limits;
    private readonly Stack<HashSet<string>> _macroNames = new();
    private int _position;
    private int _depth;
    private int _loops;

    private JinjaParser(List<JinjaToken> tokens, string name, JinjaLimits limits) => (_tokens, _name, _limits) = (tokens, name, limits);

    public static IReadOnlyList<JinjaStatement> Parse(string source, string name, JinjaLimits limits)
    {
        JinjaParser parser = new(JinjaLexer.Tokenize(source, name, limits), name, limits);
        IReadOnlyList<JinjaStatement> body = parser.Statements("the template", 1);
        return body;
    }

    private JinjaToken Current => _tokens[_position];

    private JinjaToken Next()
    {
        JinjaToken token = _tokens[_position];
        if (token.Kind != JinjaTokenKind.End) _position++;
        return token;
    }

    private bool IsName(string name) => Current.Is(JinjaTokenKind.Name, name);

    private bool IsOperator(string text) => Current.Is(JinjaTokenKind.Operator, text);

    private bool SkipName(string name)
    {
        if (!IsName(name)) return false;
        Next();
        return true;
    }

    private bool SkipOperator(string text)
    {
        if (!IsOperator(text)) return false;
        Next();
        return true;
    }

    private void ExpectOperator(string text)
    {
        if (!SkipOperator(text)) throw Fail(Current.Line, $"expected '{text}' but found {Current.Describe()}");
    }

    private string ExpectName(string what)
    {
        if (Current.Kind != JinjaTokenKind.Name) throw Fail(Current.Line, $"expected {what} but found {Current.Describe()}");
        return Next().Text;
    }

    private void Expect(JinjaTokenKind kind, string what)
    {
        if (Current.Kind != kind) throw Fail(Current.Line, $"expected {what} but found {Current.Describe()}");
        Next();
    }

    private InvalidInputException Fail(int line, string problem) => new($"{_name}, line {line}: {problem}.");

    private void Enter()
    {
        if (++_depth > _limits.NestingDepth)
            throw Fail(Current.Line, $"expressions and blocks are nested more than {_limits.NestingDepth} deep");
    }

    private void Leave() => _depth--;

    /// <summary>Parses up to a block whose first word is one of <paramref name="ends"/>, and past that word.</summary>
    private List<JinjaStatement> Statements(string opener, int openLine, params string[] ends)
    {
        List<JinjaStatement> body = [];
        Enter();
        while (true)
        {
            JinjaToken token = Next();
            switch (token.Kind)
            {
                case JinjaTokenKind.Data:
                    body.Add(new JinjaText(token.Line, token.Text));
                    break;
                case JinjaTokenKind.VariableBegin:
                    body.Add(new JinjaPrint(token.Line, Tuple()));
                    Expect(JinjaTokenKind.VariableEnd, "'}}'");
                    break;
                case JinjaTokenKind.BlockBegin:
                    if (Current.Kind != JinjaTokenKind.Name) throw Fail(Current.Line, $"expected the name of a tag but found {Current.Describe()}");
                    if (Array.IndexOf(ends, Current.Text) >= 0)
                    {
                        Leave();
                        return body;
                    }
                    body.Add(Statement(Next()));
                    Expect(JinjaTokenKind.BlockEnd, "'%}'");
                    break;
                default:
                    if (ends.Length > 0)
                        throw Fail(openLine, $"'{opener}' is not closed: expected '{string.Join("' or '", ends)}' before the end of the template");
                    Leave();
                    return body;
            }
        }
    }

    /// <summary>The body of a tag that ends with <paramref name="end"/>; the end's <c>%}</c> is left to the caller.</summary>
    private List<JinjaStatement> Body(string opener, int openLine, string end)
    {
        Expect(JinjaTokenKind.BlockEnd, "'%}'");
        List<JinjaStatement> body = Statements(opener, openLine, end);
        Next();
        return body;
    }

    private JinjaStatement Statement(JinjaToken tag) => tag.Text switch
    {
        "if" => If(tag),
        "for" => For(tag),
        "set" => Set(tag),
        "macro" => Macro(tag),
        "call" => CallBlock(tag),
        "filter" => new JinjaFilterBlock(tag.Line, [Filter(null), .. Filters()], Body("filter", tag.Line, "endfilter")),
        "with" => With(tag),
        "generation" => new JinjaWith(tag.Line, [], Body("generation", tag.Line, "endgeneration")),
        "break" or "continue" => LoopControl(tag),
        "else" or "elif" or "endif" or "endfor" or "endset" or "endmacro" or "endcall" or "endfilter" or "endwith" or "endraw" or "endgeneration"
            => throw Fail(tag.Line, $"the tag '{tag.Text}' closes nothing that is open here"),
        _ => throw Fail(tag.Line, $"the tag '{tag.Text}' is not supported"),
    };

    private JinjaIf If(JinjaToken tag)
    {
        List<(JinjaExpression, IReadOnlyList<JinjaStatement>)> branches = [];
        IReadOnlyList<JinjaStatement> otherwise = [];
        while (true)
        {
            JinjaExpression test = Tuple(withConditional: false);
            Expect(JinjaTokenKind.BlockEnd, "'%}'");
            branches.Add((test, Statements("if", tag.Line, "elif", "else", "endif")));
            string end = Next().Text;
            if (end == "elif") continue;
            if (end == "else") otherwise = Body("else", tag.Line, "endif");
            return new JinjaIf(tag.Line, branches, otherwise);
        }
    }

    private JinjaFor For(JinjaToken tag)
    {
        JinjaTarget target = Target(withNamespace: false);
        if (!SkipName("in")) throw Fail(Current.Line, $"expected 'in' but found {Current.Describe()}");
        JinjaExpression items = Tuple(withConditional: false, endName: "recursive");
        JinjaExpression? condition = SkipName("if") ? Expression() : null;
        if (IsName("recursive")) throw Fail(Current.Line, "'for … recursive' is not supported");
        Expect(JinjaTokenKind.BlockEnd, "'%}'");
        _loops++;
        List<JinjaStatement> body = Statements("for", tag.Line, "else", "endfor");
        _loops--;
        IReadOnlyList<JinjaStatement> otherwise = Next().Text == "else" ? Body("else", tag.Line, "endfor") : [];
        return new JinjaFor(tag.Line, target, items, condition, body, otherwise);
    }

    private JinjaStatement Set(JinjaToken tag)
    {
        JinjaTarget target = Target(withNamespace: true);
        if (SkipOperator("=")) return new JinjaSet(tag.Line, target, Tuple());
        List<JinjaFilterCall> filters = Filters();
        return new JinjaSetBlock(tag.Line, target, filters, Body("set", tag.Line, "endset"));
    }

    private List<JinjaFilterCall> Filters()
    {
        List<JinjaFilterCall> filters = [];
        while (SkipOperator("|")) filters.Add(Filter(null));
        return filters;
    }

    private JinjaMacroDefinition Macro(JinjaToken tag)
    {
        string name = ExpectName("the name of the macro");
        ExpectOperator("(");
        return new JinjaMacroDefinition(tag.Line, MacroBody("macro", tag.Line, name));
    }

    private JinjaMacroBody MacroBody(string opener, int openLine, string name, Func<JinjaExpression>? afterSignature = null)
    {
        List<(string, JinjaExpression?)> parameters = [];
        if (afterSignature is null || SkipOperator("("))
        {
            while (!IsOperator(")"))
            {
                if (parameters.Count > 0) ExpectOperator(",");
                string parameter = ExpectName("the name of a parameter");
                JinjaExpression? value = SkipOperator("=") ? Expression() : null;
                if (value is null && parameters.Count > 0 && parameters[^1].Item2 is not null)
                    throw Fail(Current.Line, $"the parameter '{parameter}' has no default but follows one that has");
                parameters.Add((parameter, value));
            }
            Next();
        }
        afterSignature?.Invoke();
        HashSet<string> used = [];
        _macroNames.Push(used);
        int loops = _loops;
        _loops = 0;
        List<JinjaStatement> body = Body(opener, openLine, "end" + opener);
        _loops = loops;
        _macroNames.Pop();
        foreach ((string parameter, _) in parameters) used.Remove(parameter);
        return new JinjaMacroBody(name, parameters, body, used.Contains("varargs"), used.Contains("kwargs"), used.Contains("caller"));
    }

    private JinjaCallBlock CallBlock(JinjaToken tag)
    {
        JinjaCall? call = null;
        JinjaMacroBody caller = MacroBody("call", tag.Line, "caller", () =>
            call = Expression() as JinjaCall ?? throw Fail(tag.Line, "expected a call after 'call'"));
        return new JinjaCallBlock(tag.Line, call!, caller);
    }

    private JinjaWith With(JinjaToken tag)
    {
        List<(JinjaTarget, JinjaExpression)> variables = [];
        while (Current.Kind != JinjaTokenKind.BlockEnd)
        {
            if (variables.Count > 0) ExpectOperator(",");
            JinjaTarget target = Target(withNamespace: false);
            ExpectOperator("=");
            variables.Add((target, Expression()));
        }
        return new JinjaWith(tag.Line, variables, Body("with", tag.Line, "endwith"));
    }

    private JinjaStatement LoopControl(JinjaToken tag)
    {
        if (_loops == 0) throw Fail(tag.Line, $"'{tag.Text}' stands outside a loop");
        return tag.Text == "break" ? new JinjaBreak(tag.Line) : new JinjaContinue(tag.Line);
    }

    private JinjaTarget Target(bool withNamespace)
    {
        int line = Current.Line;
        List<JinjaTarget> items = [];
        bool isTuple = false;
        do
        {
            // A comma may end the list of names: "for k, in …".
            if (items.Count > 0 && (IsName("in") || IsOperator("=") || IsOperator(")"))) break;
            items.Add(SingleTarget(withNamespace));
        }
        while (SkipOperator(",") && (isTuple = true));
        return isTuple ? new JinjaTupleTarget(line, items) : items[0];
    }

    private JinjaTarget SingleTarget(bool withNamespace)
    {
        int line = Current.Line;
        if (SkipOperator("("))
        {
            Enter();
            JinjaTarget inner = Target(withNamespace);
            Leave();
            ExpectOperator(")");
            return inner;
        }
        string name = ExpectName("the name of a variable");
        if (withNamespace && SkipOperator(".")) return new JinjaNamespaceTarget(line, name, ExpectName("the name of an attribute"));
        if (name is "true" or "false" or "none" or "True" or "False" or "None") throw Fail(line, $"'{name}' cannot be assigned to");
        return new JinjaNameTarget(line, name);
    }
}
