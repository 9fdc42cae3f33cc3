namespace Mellum2.Managed.Model;

internal abstract record JinjaExpression(int Line);

internal sealed record JinjaLiteral(int Line, object? Value) : JinjaExpression(Line);

internal sealed record JinjaName(int Line, string Name) : JinjaExpression(Line);

internal sealed record JinjaListLiteral(int Line, IReadOnlyList<JinjaExpression> Items) : JinjaExpression(Line);

internal sealed record JinjaTupleLiteral(int Line, IReadOnlyList<JinjaExpression> Items) : JinjaExpression(Line);

internal sealed record JinjaDictLiteral(int Line, IReadOnlyList<(JinjaExpression Key, JinjaExpression Value)> Items) : JinjaExpression(Line);

/// <summary><c>-x</c> or <c>+x</c>.</summary>
internal sealed record JinjaSign(int Line, bool Negative, JinjaExpression Operand) : JinjaExpression(Line);

/// <summary><c>+ - * / // % **</c>.</summary>
internal sealed record JinjaArithmetic(int Line, string Operator, JinjaExpression Left, JinjaExpression Right) : JinjaExpression(Line);

/// <summary><c>a ~ b ~ c</c>.</summary>
internal sealed record JinjaConcat(int Line, IReadOnlyList<JinjaExpression> Parts) : JinjaExpression(Line);

/// <summary><c>a &lt; b == c</c>: every neighbouring pair holds, as in Python.</summary>
internal sealed record JinjaComparison(int Line, JinjaExpression First, IReadOnlyList<(string Operator, JinjaExpression Operand)> Rest) : JinjaExpression(Line);

/// <summary><c>a and b</c>, <c>a or b</c>: the value that decides.</summary>
internal sealed record JinjaLogical(int Line, bool IsAnd, JinjaExpression Left, JinjaExpression Right) : JinjaExpression(Line);

internal sealed record JinjaNot(int Line, JinjaExpression Operand) : JinjaExpression(Line);

internal sealed record JinjaConditional(int Line, JinjaExpression Test, JinjaExpression Then, JinjaExpression? Else) : JinjaExpression(Line);

internal sealed record JinjaAttribute(int Line, JinjaExpression Target, string Name) : JinjaExpression(Line);

internal sealed record JinjaItem(int Line, JinjaExpression Target, JinjaExpression Index) : JinjaExpression(Line);

internal sealed record JinjaSlice(int Line, JinjaExpression Target, JinjaExpression? Start, JinjaExpression? Stop, JinjaExpression? Step) : JinjaExpression(Line);

internal sealed record JinjaCall(int Line, JinjaExpression Target, IReadOnlyList<JinjaArgument> Arguments) : JinjaExpression(Line);

/// <summary>A filter; <c>Target</c> is null in a filter block, where the block's text is the input.</summary>
internal sealed record JinjaFilterCall(int Line, JinjaExpression? Target, JinjaFilter Filter, IReadOnlyList<JinjaArgument> Arguments) : JinjaExpression(Line);

internal sealed record JinjaTestCall(int Line, JinjaExpression Target, JinjaTest Test, IReadOnlyList<JinjaArgument> Arguments) : JinjaExpression(Line);

internal enum JinjaArgumentKind { Positional, Keyword, Spread, SpreadKeywords }

internal readonly record struct JinjaArgument(JinjaArgumentKind Kind, string Name, JinjaExpression Value);

/// <summary>What can stand left of <c>=</c>: a name, an attribute of a namespace, or a tuple of those.</summary>
internal abstract record JinjaTarget(int Line);

internal sealed record JinjaNameTarget(int Line, string Name) : JinjaTarget(Line);

internal sealed record JinjaNamespaceTarget(int Line, string Name, string Attribute) : JinjaTarget(Line);

internal sealed record JinjaTupleTarget(int Line, IReadOnlyList<JinjaTarget> Items) : JinjaTarget(Line);

internal abstract record JinjaStatement(int Line);

internal sealed record JinjaText(int Line, string Text) : JinjaStatement(Line);

internal sealed record JinjaPrint(int Line, JinjaExpression Value) : JinjaStatement(Line);

internal sealed record JinjaIf(
    int Line, IReadOnlyList<(JinjaExpression Test, IReadOnlyList<JinjaStatement> Body)> Branches, IReadOnlyList<JinjaStatement> Else) : JinjaStatement(Line);

internal sealed record JinjaFor(
    int Line, JinjaTarget Target, JinjaExpression Items, JinjaExpression? Condition,
    IReadOnlyList<JinjaStatement> Body, IReadOnlyList<JinjaStatement> Else) : JinjaStatement(Line);

internal sealed record JinjaSet(int Line, JinjaTarget Target, JinjaExpression Value) : JinjaStatement(Line);

/// <summary><c>{% set x | filter %}…{% endset %}</c>.</summary>
internal sealed record JinjaSetBlock(int Line, JinjaTarget Target, IReadOnlyList<JinjaFilterCall> Filters, IReadOnlyList<JinjaStatement> Body) : JinjaStatement(Line);

/// <summary>The parameters and the body of a macro, or of the caller that a call block passes.</summary>
internal sealed record JinjaMacroBody(
    string Name, IReadOnlyList<(string Name, JinjaExpression? Default)> Parameters, IReadOnlyList<JinjaStatement> Body,
    bool UsesVarargs, bool UsesKwargs, bool UsesCaller);

internal sealed record JinjaMacroDefinition(int Line, JinjaMacroBody Macro) : JinjaStatement(Line);

internal sealed record JinjaCallBlock(int Line, JinjaCall Call, JinjaMacroBody Caller) : JinjaStatement(Line);

internal sealed record JinjaFilterBlock(int Line, IReadOnlyList<JinjaFilterCall> Filters, IReadOnlyList<JinjaStatement> Body) : JinjaStatement(Line);

/// <summary><c>{% with %}</c>; also <c>{% generation %}</c>, which marks the assistant's text and changes nothing in it.</summary>
internal sealed record JinjaWith(
    int Line, IReadOnlyList<(JinjaTarget Target, JinjaExpression Value)> Variables, IReadOnlyList<JinjaStatement> Body) : JinjaStatement(Line);

internal sealed record JinjaBreak(int Line) : JinjaStatement(Line);

internal sealed record JinjaContinue(int Line) : JinjaStatement(Line);
