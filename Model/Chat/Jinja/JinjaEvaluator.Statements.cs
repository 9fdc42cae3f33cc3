using System.Text;

namespace Mellum2.Managed.Model;

internal sealed partial class JinjaEvaluator
{
    private enum Flow { Next, Break, Continue }

    /// <summary>Renders a template; <paramref name="globals"/> holds the variables it may read.</summary>
    public string Render(IReadOnlyList<JinjaStatement> template, JinjaScope globals)
    {
        StringBuilder output = new();
        Execute(template, new JinjaScope(globals), output);
        return output.ToString();
    }

    private Flow Execute(IReadOnlyList<JinjaStatement> body, JinjaScope scope, StringBuilder output)
    {
        foreach (JinjaStatement statement in body)
        {
            Flow flow = Execute(statement, scope, output);
            if (flow != Flow.Next) return flow;
        }
        return Flow.Next;
    }

    private Flow Execute(JinjaStatement statement, JinjaScope scope, StringBuilder output)
    {
        Descend(statement.Line);
        Flow flow = Flow.Next;
        switch (statement)
        {
            case JinjaText text: Write(output, text.Text); break;
            case JinjaPrint print: Write(output, PythonFormat.Text(runtime, Evaluate(print.Value, scope))); break;
            case JinjaIf branch: flow = If(branch, scope, output); break;
            case JinjaFor loop: flow = For(loop, scope, output); break;
            case JinjaSet set: Assign(set.Target, Evaluate(set.Value, scope), scope); break;
            case JinjaSetBlock block: Assign(block.Target, Filtered(block.Body, block.Filters, scope), scope); break;
            case JinjaFilterBlock block: Write(output, PythonFormat.Text(runtime, Filtered(block.Body, block.Filters, scope))); break;
            case JinjaMacroDefinition definition: scope.Set(definition.Macro.Name, new JinjaMacro(this, definition.Macro, scope)); break;
            case JinjaCallBlock block: Write(output, PythonFormat.Text(runtime, Call(block.Call, scope, new JinjaMacro(this, block.Caller, scope)))); break;
            case JinjaWith with: flow = With(with, scope, output); break;
            case JinjaBreak: flow = Flow.Break; break;
            case JinjaContinue: flow = Flow.Continue; break;
            default: throw runtime.Fail("this statement is not supported");
        }
        _depth--;
        return flow;
    }

    private void Write(StringBuilder output, string text)
    {
        runtime.Charge((long)output.Length + text.Length > runtime.Limits.TextLength ? (long)output.Length + text.Length : text.Length);
        output.Append(text);
    }

    private Flow If(JinjaIf node, JinjaScope scope, StringBuilder output)
    {
        foreach ((JinjaExpression test, IReadOnlyList<JinjaStatement> body) in node.Branches)
            if (JinjaValues.IsTrue(Evaluate(test, scope)))
                return Execute(body, scope, output);
        return Execute(node.Else, scope, output);
    }

    private Flow For(JinjaFor node, JinjaScope scope, StringBuilder output)
    {
        IReadOnlyList<object?> items = JinjaValues.Iterate(runtime, Evaluate(node.Items, scope));
        if (node.Condition is not null)
        {
            List<object?> kept = [];
            foreach (object? item in items)
            {
                JinjaScope inner = new(scope);
                Assign(node.Target, item, inner);
                if (JinjaValues.IsTrue(Evaluate(node.Condition, inner))) kept.Add(item);
            }
            items = kept;
        }
        JinjaLoop loop = new(items, 1);
        for (int i = 0; i < items.Count; i++)
        {
            runtime.Work(64);
            // Every round starts from the variables outside: what the last one set is gone.
            JinjaScope inner = new(scope);
            loop.Index = i;
            inner.Set("loop", loop);
            Assign(node.Target, items[i], inner);
            if (Execute(node.Body, inner, output) == Flow.Break) break;
        }
        // Like jinja2: 'else' runs when there was nothing to visit. Control words in it belong to the loop around.
        return items.Count == 0 ? Execute(node.Else, new JinjaScope(scope), output) : Flow.Next;
    }

    private Flow With(JinjaWith node, JinjaScope scope, StringBuilder output)
    {
        JinjaScope inner = new(scope);
        foreach ((JinjaTarget target, JinjaExpression value) in node.Variables) Assign(target, Evaluate(value, scope), inner);
        return Execute(node.Body, inner, output);
    }

    private object? Filtered(IReadOnlyList<JinjaStatement> body, IReadOnlyList<JinjaFilterCall> filters, JinjaScope scope)
    {
        StringBuilder text = new();
        Execute(body, new JinjaScope(scope), text);
        object? value = text.ToString();
        foreach (JinjaFilterCall filter in filters) value = Filter(filter, value, scope);
        return value;
    }

    private void Assign(JinjaTarget target, object? value, JinjaScope scope)
    {
        switch (target)
        {
            case JinjaNameTarget name:
                scope.Set(name.Name, value);
                break;
            case JinjaNamespaceTarget attribute:
                scope.TryGet(attribute.Name, out object? owner);
                runtime.Line = target.Line;
                if (owner is not JinjaNamespace space)
                    throw runtime.Fail($"'{attribute.Name}.{attribute.Attribute}' can only be set when '{attribute.Name}' is a namespace");
                space.Attributes[attribute.Attribute] = value;
                break;
            case JinjaTupleTarget tuple:
                runtime.Line = target.Line;
                runtime.Defined(value);
                IReadOnlyList<object?> items = JinjaValues.Iterate(runtime, value);
                if (items.Count != tuple.Items.Count)
                    throw runtime.Fail($"{items.Count} value(s) cannot be unpacked into {tuple.Items.Count} name(s)");
                for (int i = 0; i < items.Count; i++) Assign(tuple.Items[i], items[i], scope);
                break;
        }
    }

    /// <summary>Runs a macro's body with its parameters set and gives the text.</summary>
    public string CallMacro(JinjaMacro macro, JinjaArguments arguments)
    {
        JinjaMacroBody body = macro.Body;
        JinjaScope scope = new(macro.Scope);
        List<object?> positional = arguments.Positional;
        OrderedDictionary<string, object?> keywords = new(arguments.Keywords, StringComparer.Ordinal);
        if (body.UsesCaller)
        {
            keywords.Remove("caller", out object? caller);
            scope.Set("caller", caller ?? new JinjaUndefined("No caller defined"));
        }
        int callLine = runtime.Line;
        for (int i = 0; i < body.Parameters.Count; i++)
        {
            (string name, JinjaExpression? value) = body.Parameters[i];
            if (i < positional.Count)
            {
                if (keywords.ContainsKey(name)) throw runtime.Fail($"the macro '{body.Name}' got two values for '{name}'");
                scope.Set(name, positional[i]);
            }
            else if (keywords.Remove(name, out object? given))
            {
                scope.Set(name, given);
            }
            else
            {
                scope.Set(name, value is null ? new JinjaUndefined($"parameter '{name}' was not provided") : Evaluate(value, scope));
            }
        }
        runtime.Line = callLine;
        int extra = Math.Max(0, positional.Count - body.Parameters.Count);
        if (body.UsesVarargs) scope.Set("varargs", new JinjaTuple([.. positional.Skip(positional.Count - extra)]));
        else if (extra > 0) throw runtime.Fail($"the macro '{body.Name}' takes at most {body.Parameters.Count} argument(s) but {positional.Count} were given");
        if (body.UsesKwargs)
        {
            JinjaDict rest = new();
            foreach ((string name, object? value) in keywords) rest.Items[name] = value;
            scope.Set("kwargs", rest);
        }
        else if (keywords.Count > 0)
        {
            throw runtime.Fail($"the macro '{body.Name}' has no parameter '{keywords.GetAt(0).Key}'");
        }
        StringBuilder output = new();
        Execute(body.Body, scope, output);
        return output.ToString();
    }
}

/// <summary>A macro with the scope in which it was defined.</summary>
internal sealed class JinjaMacro(JinjaEvaluator evaluator, JinjaMacroBody body, JinjaScope scope) : JinjaCallable
{
    public JinjaMacroBody Body { get; } = body;

    public JinjaScope Scope { get; } = scope;

    public override object? Invoke(JinjaRuntime runtime, JinjaArguments arguments) => evaluator.CallMacro(this, arguments);
}
