using System.Numerics;
using System.Runtime.CompilerServices;

namespace Mellum2.Managed.Model;

/// <summary>Evaluates expressions; <c>JinjaEvaluator.Statements.cs</c> executes statements.</summary>
internal sealed partial class JinjaEvaluator(JinjaRuntime runtime)
{
    private int _depth;

    public object? Evaluate(JinjaExpression node, JinjaScope scope)
    {
        Descend(node.Line);
        object? value = node switch
        {
            JinjaLiteral literal => literal.Value,
            JinjaName name => scope.TryGet(name.Name, out object? found) ? found : JinjaUndefined.Variable(name.Name),
            JinjaAttribute attribute => Attribute(attribute, scope),
            JinjaItem item => Item(item, scope),
            JinjaCall call => Call(call, scope),
            JinjaFilterCall filter => Filter(filter, Evaluate(filter.Target!, scope), scope),
            JinjaTestCall test => Test(test, scope),
            JinjaNot not => !JinjaValues.IsTrue(Evaluate(not.Operand, scope)),
            JinjaLogical logical => Logical(logical, scope),
            JinjaComparison comparison => Compare(comparison, scope),
            JinjaConditional conditional => Conditional(conditional, scope),
            JinjaConcat concat => Concat(concat, scope),
            JinjaArithmetic arithmetic => Arithmetic(arithmetic, scope),
            JinjaSign sign => Sign(sign, scope),
            JinjaSlice slice => Slice(slice, scope),
            JinjaListLiteral list => new JinjaList(All(list.Items, scope)),
            JinjaTupleLiteral tuple => new JinjaTuple(All(tuple.Items, scope)),
            JinjaDictLiteral dict => Dict(dict, scope),
            _ => throw runtime.Fail("this expression is not supported"),
        };
        _depth--;
        return value;
    }

    /// <summary>Counts one step and one level; <c>_depth--</c> ends the level (after a failure nothing is evaluated any more).</summary>
    private void Descend(int line)
    {
        runtime.Line = line;
        runtime.Step();
        if (++_depth > runtime.Limits.EvaluationDepth || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw runtime.Fail($"expressions and macro calls go more than {runtime.Limits.EvaluationDepth} deep");
    }

    private object?[] All(IReadOnlyList<JinjaExpression> nodes, JinjaScope scope)
    {
        runtime.ChargeItems(nodes.Count);
        object?[] values = new object?[nodes.Count];
        for (int i = 0; i < values.Length; i++) values[i] = Evaluate(nodes[i], scope);
        return values;
    }

    private object? Attribute(JinjaAttribute node, JinjaScope scope)
    {
        object? owner = Evaluate(node.Target, scope);
        runtime.Line = node.Line;
        return JinjaValues.Attribute(runtime, owner, node.Name);
    }

    private object? Item(JinjaItem node, JinjaScope scope)
    {
        object? owner = Evaluate(node.Target, scope);
        object? index = Evaluate(node.Index, scope);
        runtime.Line = node.Line;
        return JinjaValues.Item(runtime, owner, index);
    }

    private object Slice(JinjaSlice node, JinjaScope scope)
    {
        object? owner = Evaluate(node.Target, scope);
        object? start = node.Start is null ? null : Evaluate(node.Start, scope);
        object? stop = node.Stop is null ? null : Evaluate(node.Stop, scope);
        object? step = node.Step is null ? null : Evaluate(node.Step, scope);
        runtime.Line = node.Line;
        return JinjaValues.Slice(runtime, owner, start, stop, step);
    }

    private object? Logical(JinjaLogical node, JinjaScope scope)
    {
        object? left = Evaluate(node.Left, scope);
        return JinjaValues.IsTrue(left) == node.IsAnd ? Evaluate(node.Right, scope) : left;
    }

    private object? Conditional(JinjaConditional node, JinjaScope scope)
    {
        if (JinjaValues.IsTrue(Evaluate(node.Test, scope))) return Evaluate(node.Then, scope);
        return node.Else is null
            ? new JinjaUndefined("the 'if' expression is false and has no 'else'")
            : Evaluate(node.Else, scope);
    }

    private bool Compare(JinjaComparison node, JinjaScope scope)
    {
        object? left = Evaluate(node.First, scope);
        foreach ((string op, JinjaExpression operand) in node.Rest)
        {
            object? right = Evaluate(operand, scope);
            runtime.Line = node.Line;
            bool holds = op switch
            {
                "==" => JinjaValues.AreEqual(runtime, left, right),
                "!=" => !JinjaValues.AreEqual(runtime, left, right),
                "in" => JinjaValues.Contains(runtime, right, left),
                "not in" => !JinjaValues.Contains(runtime, right, left),
                _ => JinjaValues.Ordered(runtime, op, left, right),
            };
            if (!holds) return false;
            left = right;
        }
        return true;
    }

    private string Concat(JinjaConcat node, JinjaScope scope)
    {
        string[] parts = new string[node.Parts.Count];
        long length = 0;
        for (int i = 0; i < parts.Length; i++)
        {
            parts[i] = PythonFormat.Text(runtime, Evaluate(node.Parts[i], scope));
            length += parts[i].Length;
        }
        runtime.Line = node.Line;
        runtime.Charge(length);
        return string.Concat(parts);
    }

    private object Arithmetic(JinjaArithmetic node, JinjaScope scope)
    {
        object? left = Evaluate(node.Left, scope);
        object? right = Evaluate(node.Right, scope);
        runtime.Line = node.Line;
        return JinjaOperators.Apply(runtime, node.Operator, left, right);
    }

    private object Sign(JinjaSign node, JinjaScope scope)
    {
        object? operand = runtime.Defined(Evaluate(node.Operand, scope));
        runtime.Line = node.Line;
        if (!JinjaValues.TryNumber(operand, out BigInteger whole, out double real, out bool isReal))
            throw runtime.Fail($"'{(node.Negative ? '-' : '+')}' is not defined for a {JinjaValues.TypeName(operand)}");
        return isReal ? (node.Negative ? -real : real) : node.Negative ? -whole : whole;
    }

    private JinjaDict Dict(JinjaDictLiteral node, JinjaScope scope)
    {
        runtime.ChargeItems(node.Items.Count);
        JinjaDict dict = new();
        foreach ((JinjaExpression key, JinjaExpression value) in node.Items)
            dict.Items[JinjaValues.Key(runtime, Evaluate(key, scope))] = Evaluate(value, scope);
        return dict;
    }

    private object? Call(JinjaCall node, JinjaScope scope, JinjaMacro? caller = null)
    {
        object? target = Evaluate(node.Target, scope);
        JinjaArguments arguments = Arguments(node.Arguments, scope);
        if (caller is not null) arguments.Keywords["caller"] = caller;
        runtime.Line = node.Line;
        runtime.Defined(target);
        return target is JinjaCallable callable
            ? callable.Invoke(runtime, arguments)
            : throw runtime.Fail($"a {JinjaValues.TypeName(target)} cannot be called");
    }

    private JinjaArguments Arguments(IReadOnlyList<JinjaArgument> nodes, JinjaScope scope)
    {
        JinjaArguments arguments = new();
        foreach (JinjaArgument node in nodes)
        {
            object? value = Evaluate(node.Value, scope);
            switch (node.Kind)
            {
                case JinjaArgumentKind.Positional:
                    arguments.Positional.Add(value);
                    break;
                case JinjaArgumentKind.Spread:
                    IReadOnlyList<object?> items = JinjaValues.Iterate(runtime, value);
                    runtime.ChargeItems(items.Count);
                    arguments.Positional.AddRange(items);
                    break;
                case JinjaArgumentKind.Keyword:
                    AddKeyword(arguments, node.Name, value);
                    break;
                default:
                    if (value is not JinjaDict dict) throw runtime.Fail($"'**' needs a dict, not a {JinjaValues.TypeName(value)}");
                    foreach ((object key, object? item) in dict.Items)
                        AddKeyword(arguments, key as string ?? throw runtime.Fail("'**' needs a dict whose keys are texts"), item);
                    break;
            }
        }
        return arguments;
    }

    private void AddKeyword(JinjaArguments arguments, string name, object? value)
    {
        if (!arguments.Keywords.TryAdd(name, value)) throw runtime.Fail($"the argument '{name}' is given twice");
    }

    private object? Filter(JinjaFilterCall node, object? value, JinjaScope scope)
    {
        JinjaArguments arguments = Arguments(node.Arguments, scope);
        runtime.Line = node.Line;
        return node.Filter.Apply(runtime, value, arguments);
    }

    private bool Test(JinjaTestCall node, JinjaScope scope)
    {
        object? value = Evaluate(node.Target, scope);
        JinjaArguments arguments = Arguments(node.Arguments, scope);
        runtime.Line = node.Line;
        return node.Test.Apply(runtime, value, arguments);
    }
}
