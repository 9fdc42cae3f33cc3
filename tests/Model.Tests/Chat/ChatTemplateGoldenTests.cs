using System.Text;
using System.Text.Json;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Tests;
using Xunit;

namespace Mellum2.Managed.Model.Tests;

/// <summary>Renderings of jinja2 in the environment of transformers, for two templates and every conversation of the golden folder.</summary>
public class ChatTemplateGoldenTests
{
    private static readonly Lazy<IReadOnlyList<JsonElement>> s_cases = new(() =>
        // Strings hold raw U+0085 and U+2028, so only '\n' ends a case.
        [.. File.ReadAllText(GoldenFolder.Find("chat", "cases.jsonl")).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonDocument.Parse(line).RootElement)]);

    private static readonly Lazy<Dictionary<string, ChatTemplate>> s_templates = new(() => s_cases.Value
        .Select(test => test.GetProperty("template").GetString()!).Distinct()
        .ToDictionary(name => name, name => ChatTemplate.Parse(File.ReadAllText(GoldenFolder.Find("chat", name)), name)));

    public static TheoryData<int, string> Cases()
    {
        TheoryData<int, string> data = [];
        for (int i = 0; i < s_cases.Value.Count; i++)
            data.Add(i, $"{s_cases.Value[i].GetProperty("template").GetString()}: {s_cases.Value[i].GetProperty("name").GetString()}");
        return data;
    }

    [Fact]
    public void There_are_cases() => Assert.NotEmpty(s_cases.Value);

    [Theory]
    [MemberData(nameof(Cases))]
    public void Renders_what_jinja2_renders(int index, string name)
    {
        JsonElement test = s_cases.Value[index];
        ChatTemplate template = s_templates.Value[test.GetProperty("template").GetString()!];
        Dictionary<string, JsonElement> variables = [];
        if (test.TryGetProperty("enable_thinking", out JsonElement thinking)) variables["enable_thinking"] = thinking;
        ChatTemplateOptions options = new()
        {
            Tools = test.GetProperty("tools") is { ValueKind: not JsonValueKind.Null } tools ? tools : null,
            AddGenerationPrompt = test.GetProperty("add_generation_prompt").GetBoolean(),
            Variables = variables,
        };
        if (test.TryGetProperty("error", out JsonElement error))
        {
            InvalidInputException failure = Assert.Throws<InvalidInputException>(() => template.Render(test.GetProperty("messages"), options));
            Assert.Contains(error.GetString()!, failure.Message, StringComparison.Ordinal);
            return;
        }
        string expected = test.GetProperty("rendered").GetString()!;
        string actual = template.Render(test.GetProperty("messages"), options);
        Assert.True(expected == actual, $"{name}\nexpected {Quote(expected)}\nbut got  {Quote(actual)}");
    }

    private static string Quote(string text)
    {
        StringBuilder quoted = new();
        foreach (char c in text) quoted.Append(c is >= ' ' and <= '~' ? c.ToString() : $"\\u{(int)c:x4}");
        return quoted.ToString();
    }
}
