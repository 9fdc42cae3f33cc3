using System.Text.Json;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Tests;
using Xunit;

namespace Mellum2.Managed.Model.Tests;

/// <summary>The interpreter: agreement with jinja2, white space, numbers, error sentences, limits.</summary>
public class JinjaInterpreterTests
{
    private static readonly JsonElement s_noMessages = JsonDocument.Parse("[]").RootElement;

    private static string Render(string template, params (string Name, string Json)[] variables) => Render(template, JinjaLimits.Default, variables);

    private static string Render(string template, JinjaLimits limits, params (string Name, string Json)[] variables) =>
        ChatTemplate.Parse(template, "test.jinja", limits).Render(s_noMessages, new ChatTemplateOptions
        {
            AddGenerationPrompt = false,
            Variables = variables.ToDictionary(v => v.Name, v => JsonDocument.Parse(v.Json, new JsonDocumentOptions { MaxDepth = 1000 }).RootElement),
        });

    private static string Failure(string template, JinjaLimits? limits = null) =>
        Assert.Throws<InvalidInputException>(() => Render(template, limits ?? JinjaLimits.Default)).Message;

    /// <summary>
    /// jinja2-cases.jsonl was made with jinja2 3.1.6 in transformers' environment: the variables, then written and random
    /// templates with their renderings; a case without one fails there.
    /// </summary>
    [Fact]
    public void Agrees_with_jinja2()
    {
        string[] lines = File.ReadAllLines(Path.Combine(GoldenFolder.RepositoryRoot(), "tests", "Model.Tests", "Chat", "jinja2-cases.jsonl"));
        (string, string)[] variables = [.. JsonDocument.Parse(lines[0]).RootElement.EnumerateObject().Select(p => (p.Name, p.Value.GetRawText()))];
        List<string> wrong = [];
        foreach (string line in lines.Skip(1))
        {
            JsonElement test = JsonDocument.Parse(line).RootElement;
            string template = test.GetProperty("template").GetString()!;
            string? expected = test.TryGetProperty("rendered", out JsonElement rendered) ? rendered.GetString() : null;
            string? actual = null;
            try
            {
                actual = Render(template, variables);
            }
            catch (InvalidInputException)
            {
                // A case that fails in jinja2 must fail here too.
            }
            if (actual != expected) wrong.Add($"{JsonSerializer.Serialize(template)}\n  expected {JsonSerializer.Serialize(expected)}\n  but got  {JsonSerializer.Serialize(actual)}");
        }
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    [Theory]
    [InlineData("a\n", "a")] // one newline at the end goes
    [InlineData("a\n\n", "a\n")]
    [InlineData("{% if true %}\nx\n{% endif %}\ny", "x\ny")] // trim_blocks
    [InlineData("{{ 1 }}\ny", "1\ny")] // not behind a variable
    [InlineData("  {% if true %}x{% endif %}", "x")] // lstrip_blocks
    [InlineData("a  {% if true %}x{% endif %}", "a  x")] // only where the tag is first on its line
    [InlineData("  {{ 1 }}", "  1")]
    [InlineData("  {%+ if true %}x{% endif +%}\ny", "  x\ny")]
    [InlineData("a \n {%- if true -%} \n x \n {%- endif -%} \n b", "axb")]
    [InlineData("a\n  {# c #}\nb", "a\nb")]
    [InlineData("a {#- c -#} b", "ab")]
    [InlineData("a \u200b{{- 1 }}", "a \u200b1")] // U+200B is no white space
    [InlineData("a\u001c{{- 1 }}", "a1")]
    [InlineData("{% raw %}\n{{ x }}{% endraw %}\ny", "\n{{ x }}y")]
    [InlineData("a\r\nb\rc", "a\nb\nc")]
    public void White_space_follows_trim_blocks_and_lstrip_blocks(string template, string expected) => Assert.Equal(expected, Render(template));

    [Theory]
    [InlineData("1.0", "1.0")]
    [InlineData("1E5", "100000.0")]
    [InlineData("0.00001", "1e-05")]
    [InlineData("0.0001", "0.0001")]
    [InlineData("1e15", "1000000000000000.0")]
    [InlineData("1e16", "1e+16")]
    [InlineData("-0.0", "-0.0")]
    [InlineData("-0", "0")]
    [InlineData("1.5e300", "1.5e+300")]
    [InlineData("123456789012345678901234567890", "123456789012345678901234567890")]
    [InlineData("5e-324", "5e-324")]
    [InlineData("2.5", "2.5")]
    public void Numbers_print_as_python_prints_them(string json, string expected)
    {
        Assert.Equal(expected, Render("{{ x }}", ("x", json)));
        Assert.Equal(expected, Render("{{ x | tojson }}", ("x", json)));
    }

    [Theory]
    [InlineData("a\n{{ x | nosuch }}", "test.jinja, line 2: the filter 'nosuch' is not supported.")]
    [InlineData("a\n\n{% include 'x' %}", "test.jinja, line 3: the tag 'include' is not supported.")]
    [InlineData("{% if false %}{{ 1 is nosuch }}{% endif %}", "test.jinja, line 1: the test 'nosuch' is not supported.")]
    [InlineData("{{ 'a'.encode('x') }}", "test.jinja, line 1: the method 'encode' is not supported.")]
    [InlineData("{% for x in y recursive %}{% endfor %}", "test.jinja, line 1: 'for … recursive' is not supported.")]
    [InlineData("{{ [] | map('nosuch') }}", "test.jinja, line 1: the filter 'nosuch' is not supported.")]
    [InlineData("a\n{% if x %}\nb", "test.jinja, line 2: 'if' is not closed: expected 'elif' or 'else' or 'endif' before the end of the template.")]
    [InlineData("{{ 'abc", "test.jinja, line 1: the string that starts with ' has no end.")]
    [InlineData("\n{# x", "test.jinja, line 2: the comment that starts with '{#' has no '#}'.")]
    [InlineData("{{ 1 }", "test.jinja, line 1: '}' closes nothing that was opened.")]
    [InlineData("{% break %}", "test.jinja, line 1: 'break' stands outside a loop.")]
    [InlineData("{{ 1 2 }}", "test.jinja, line 1: expected '}}' but found '2'.")]
    [InlineData("\n{{ a.b }}", "test.jinja, line 2: 'a' is undefined")]
    [InlineData("{{ {}.a.b }}", "test.jinja, line 1: 'dict object' has no attribute 'a'")]
    [InlineData("{{ 1\n + 'a' }}", "test.jinja, line 2: '+' is not defined between a int object and a str object")]
    [InlineData("\n\n{{ raise_exception('no \"x\"') }}", "test.jinja, line 3: no \"x\"")]
    [InlineData("{% set l = [] %}{{ l.append(1) }}", "test.jinja, line 1: the method 'append' is not supported.")]
    [InlineData("{{ strftime_now('%Q') }}", "test.jinja, line 1: the time format '%Q' is not supported")]
    public void Errors_name_the_line(string template, string expected) => Assert.Equal(expected, Failure(template));

    [Theory]
    [InlineData("{{ range(100001) }}", "at most 100000 are allowed")]
    [InlineData("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", "more than 20000000 steps")]
    [InlineData("{{ 'abcdefgh' * 99999999 }}", "characters; at most 67108864 are allowed")]
    [InlineData("{% set ns = namespace(t='x') %}{% for i in range(99) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}", "characters; at most 67108864 are allowed")]
    [InlineData("{% set ns = namespace(l=[1]) %}{% for i in range(99) %}{% set ns.l = ns.l + ns.l %}{% endfor %}", "elements; at most 4194304 are allowed")]
    [InlineData("{% set ns = namespace(l=[1], m=[1]) %}{% for i in range(99) %}{% set ns.l = [ns.l, ns.l] %}{% set ns.m = [ns.m, ns.m] %}{% endfor %}{{ ns.l == ns.m }}", "more than 20000000 steps")]
    [InlineData("{% set ns = namespace(l=[1]) %}{% for i in range(99999) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}", "nested too deeply")]
    [InlineData("{% set ns = namespace(l=(1,), m=(1,)) %}{% for i in range(99999) %}{% set ns.l = (ns.l,) %}{% set ns.m = (ns.m,) %}{% endfor %}{{ ns.l < ns.m }}", "nested too deeply")]
    [InlineData("{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}", "more than 500 deep")]
    [InlineData("{{ 9 ** 99999 }}", "more than 65536 bits")]
    [InlineData("{{ '%999999d' % 1 }}", "above 10000")]
    public void Costs_are_limited(string template, string expected) => Assert.Contains(expected, Failure(template), StringComparison.Ordinal);

    [Fact]
    public void Nesting_is_limited_while_parsing()
    {
        string open = string.Concat(Enumerable.Repeat("(", 5000)), close = string.Concat(Enumerable.Repeat(")", 5000));
        string minus = string.Concat(Enumerable.Repeat("-", 5000));
        string blocks = string.Concat(Enumerable.Repeat("{% if 1 %}", 5000)), sum = string.Concat(Enumerable.Repeat("+1", 5000));
        Assert.Contains("more than 100 deep", Failure("{{ " + open + "1" + close + " }}"), StringComparison.Ordinal);
        Assert.Contains("more than 100 deep", Failure("{{ " + minus + "1 }}"), StringComparison.Ordinal);
        Assert.Contains("more than 100 deep", Failure(blocks), StringComparison.Ordinal);
        Assert.Contains("more than 500 deep", Failure("{{ 1" + sum + " }}"), StringComparison.Ordinal);
    }

    [Fact]
    public void The_clock_is_the_callers()
    {
        ChatTemplate template = ChatTemplate.Parse("{{ strftime_now('%d %b %Y, %H:%M %j %%') }}", "t");
        Assert.Equal("07 Mar 2025, 04:05 066 %", template.Render(s_noMessages, new ChatTemplateOptions { Clock = new FixedClock() }));
    }

    private sealed class FixedClock : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => new(2025, 3, 7, 4, 5, 6, TimeSpan.Zero);

        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;
    }
}
