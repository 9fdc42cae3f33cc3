using System.Text;
using System.Text.Json;
using FsCheck.Xunit;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Tests;
using Xunit;

namespace Mellum2.Managed.Model.Tests;

/// <summary>What holds for every text and every template, however broken.</summary>
public class JinjaPropertyTests
{
    private static readonly JinjaLimits s_small = new() { Steps = 20_000, TotalSize = 1 << 20, TextLength = 1 << 18 };

    private static JsonElement Messages(object value) => JsonSerializer.SerializeToElement(value);

    private static string WellFormed(string? text) => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text ?? ""));

    [Property(MaxTest = 500)]
    public bool Tojson_of_a_text_reads_back(string? text)
    {
        string given = WellFormed(text);
        string json = ChatTemplate.Parse("{{ messages[0].content | tojson }}", "t").Render([new ChatMessage("user", given)]);
        return JsonDocument.Parse(json).RootElement.GetString() == given;
    }

    [Property(MaxTest = 500)]
    public bool Tojson_of_a_structure_reads_back(string?[] texts, double[] numbers, long whole, bool flag)
    {
        double[] finite = [.. (numbers ?? []).Where(double.IsFinite)];
        JsonElement given = Messages(new[] { new { role = "user", texts = (texts ?? []).Select(WellFormed), finite, whole, flag } });
        string json = ChatTemplate.Parse("{{ messages | tojson(indent=2) if messages[0].flag else messages | tojson }}", "t").Render(given);
        return JsonElement.DeepEquals(Normal(JsonDocument.Parse(json).RootElement), Normal(given));

        // -0.0 and 1e5 are written in more than one way; equal values must stay equal.
        static JsonElement Normal(JsonElement element) => JsonSerializer.SerializeToElement(new
        {
            texts = element[0].GetProperty("texts"),
            finite = element[0].GetProperty("finite").EnumerateArray().Select(number => BitConverter.DoubleToInt64Bits(number.GetDouble() + 0.0)),
            whole = element[0].GetProperty("whole").GetInt64(),
        });
    }

    [Property(MaxTest = 500)]
    public bool Text_without_braces_is_copied(string? text)
    {
        string given = WellFormed(text).Replace("{", "", StringComparison.Ordinal).Replace('\r', ' ');
        string expected = given.EndsWith('\n') ? given[..^1] : given;
        return ChatTemplate.Parse(given, "t").Render(Messages(Array.Empty<object>())) == expected;
    }

    [Property(MaxTest = 2000)]
    public bool A_random_template_renders_or_fails_with_a_sentence(string? text) => Survives("{{ " + text + " }}{% " + text + " %}") && Survives(text ?? "");

    /// <summary>Pieces of two real templates, mutated: characters changed, cut, doubled and swapped between them.</summary>
    [Fact]
    public void Mutated_templates_render_or_fail_with_a_sentence()
    {
        string[] seeds = [.. Directory.GetFiles(GoldenFolder.Find("chat"), "*.jinja").Order().Select(File.ReadAllText)];
        string[] tokens = ["{%", "%}", "{{", "}}", "-", "|", "(", ")", "[", "]", "'", "\"", "{#", "#}", ":", ",", ".", "~", "**", "in", "is", "not", "if", "else", "for",
            "loop.index", "messages", "none", "range(9)", "9", "1e9", "\\", "\n", "{% endfor %}", "{% endif %}", "{% macro f(a) %}", "{% endmacro %}", "{% raw %}", "|tojson", "*", "//", "%"];
        Random random = new(1983);
        int rendered = 0;
        for (int i = 0; i < 24_000; i++)
        {
            StringBuilder mutant = new(seeds[i % seeds.Length]);
            for (int edits = random.Next(1, 6); edits > 0; edits--)
            {
                int at = random.Next(mutant.Length + 1), length = Math.Min(random.Next(1, 40), mutant.Length - at);
                switch (random.Next(4))
                {
                    case 0: mutant.Remove(at, length); break;
                    case 1: mutant.Insert(at, tokens[random.Next(tokens.Length)]); break;
                    case 2: mutant.Insert(random.Next(mutant.Length + 1), mutant.ToString(at, length)); break;
                    default:
                        if (at < mutant.Length) mutant[at] = tokens[random.Next(tokens.Length)][0];
                        break;
                }
            }
            if (Survives(mutant.ToString())) rendered++;
        }
        Assert.Equal(24_000, rendered);
    }

    private static readonly JsonElement s_conversation = Messages(new object[]
    {
        new { role = "system", content = "Be brief." },
        new { role = "user", content = "1+1?" },
        new { role = "assistant", content = "<think>\nsum\n</think>\n\n2", tool_calls = new[] { new { function = new { name = "f", arguments = new { x = 1.5 } } } } },
        new { role = "tool", content = "3" },
    });

    private static bool Survives(string template)
    {
        try
        {
            ChatTemplate.Parse(template, "mutant", s_small).Render(s_conversation, new ChatTemplateOptions { Tools = s_conversation });
        }
        catch (InvalidInputException e)
        {
            Assert.StartsWith("mutant, line ", e.Message, StringComparison.Ordinal);
        }
        return true;
    }
}
