using System.Text.Json;
using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Model.Tests;

/// <summary>Where a template comes from and how messages reach it.</summary>
public sealed class ChatTemplateTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("mellum2-chat-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private void Write(string file, string text) => File.WriteAllText(Path.Combine(_folder, file), text);

    private static JsonElement Json(string text) => JsonDocument.Parse(text).RootElement;

    [Fact]
    public void A_folder_without_a_template_gives_null()
    {
        Assert.Null(ChatTemplate.Load(_folder));
        Write("tokenizer_config.json", """{"eos_token": "x", "chat_template": null}""");
        Assert.Null(ChatTemplate.Load(_folder));
    }

    [Fact]
    public void The_file_comes_before_the_configuration_and_sees_its_tokens()
    {
        Write("tokenizer_config.json", """{"bos_token": null, "eos_token": "<e>", "pad_token": {"content": "<p>", "special": true}, "chat_template": "old"}""");
        Write("chat_template.jinja", "{{ eos_token ~ pad_token ~ (bos_token is defined) ~ messages | length }}\n");
        Assert.Equal("<e><p>False1", ChatTemplate.Load(_folder)!.Render([new ChatMessage("user", "Hi")]));
    }

    [Fact]
    public void A_list_of_templates_gives_the_default_or_the_one_for_tools()
    {
        Write("tokenizer_config.json", """{"chat_template": [{"name": "default", "template": "plain"}, {"name": "tool_use", "template": "tools {{ tools | length }}"}]}""");
        ChatTemplate template = ChatTemplate.Load(_folder)!;
        Assert.Equal("plain", template.Render([]));
        Assert.Equal("tools 1", template.Render([], new ChatTemplateOptions { Tools = Json("""[{"name": "f"}]""") }));
    }

    [Theory]
    [InlineData("""{"chat_template": 5}""", "'chat_template' must be a text or a list of named templates")]
    [InlineData("""{"chat_template": [{"name": "rag", "template": ""}]}""", "lists no template with the name \"default\"")]
    [InlineData("""{"chat_template": [1]}""", "every entry of 'chat_template'")]
    [InlineData("""{"chat_template": "{{"}""", "line 1")]
    [InlineData("""{"eos_token": 3, "chat_template": "x"}""", "'eos_token' must be a text")]
    [InlineData("[1]", "must hold a JSON object")]
    [InlineData("{", "is no valid JSON")]
    public void A_damaged_configuration_is_refused_in_one_sentence(string config, string expected)
    {
        Write("tokenizer_config.json", config);
        InvalidInputException failure = Assert.Throws<InvalidInputException>(() => ChatTemplate.Load(_folder));
        Assert.Contains(expected, failure.Message, StringComparison.Ordinal);
        Assert.Contains("tokenizer_config.json", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Messages_reach_the_template_without_nulls_and_with_their_reasoning()
    {
        ChatTemplate template = ChatTemplate.Parse("{{ messages | tojson }}", "t");
        Assert.Equal("""[{"role": "a", "thinking": "t", "reasoning_content": "t"}]""", template.Render(Json("""[{"role":"a","content":null,"thinking":"t"}]""")));
        ChatMessage message = new("assistant", null) { ReasoningContent = "r", ToolCalls = [new ChatToolCall("f", Json("""{"x":1.50}"""), "c1")] };
        Assert.Equal(
            """[{"role": "assistant", "reasoning_content": "r", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": {"x": 1.5}}}]}]""",
            template.Render([message]));
    }

    [Fact]
    public void Half_a_surrogate_pair_is_refused() =>
        Assert.Contains("surrogate", Assert.Throws<InvalidInputException>(() => ChatTemplate.Parse("x", "t").Render(Json("""[{"role":"\ud800"}]"""))).Message, StringComparison.Ordinal);
}
