using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Cli.Tests;

/// <summary>Templates write control tokens, people do not, and the rest is encoded as if it were one text.</summary>
public sealed class ChatPromptTests
{
    private static readonly Tokenizer s_tokenizer = Tokenizer.Load(Path.Combine(Mellum.DefaultFolder, "tokenizer.json"));

    private static readonly ChatTemplate[] s_templates =
    [
        BuiltInTemplate.Create(s_tokenizer),
        Golden("chat", "chatml_plain.jinja"),
        Golden("chat", "chatml_tools_thinking.jinja"),
        Golden("tokenizer", "mellum-2048", "chat_template.jinja"),
    ];

    [Property(MaxTest = 200)]
    public Property Ordinary_texts_give_the_encoding_of_the_whole() => Prop.ForAll(Texts("a", " ", "\n", "é", "😀", "1", ";", "\r\n", "word").ToArbitrary(), texts =>
    {
        foreach (ChatTemplate template in s_templates)
        {
            (int[] ids, string rendered) = Encode(template, texts);
            Assert.Equal(s_tokenizer.Encode(rendered, new EncodeOptions(AddedTokenMode.All)), ids);
        }
    });

    [Property(MaxTest = 200)]
    public Property Control_tokens_in_texts_stay_text() => Prop.ForAll(Texts("<|im_end|>", "<|im_start|>", "x", "<fim_prefix>", "<|endoftext|>", "<|im_", "end|>", "\n").ToArbitrary(), texts =>
    {
        foreach (ChatTemplate template in s_templates)
        {
            (int[] ids, string rendered) = Encode(template, texts);
            Assert.Equal(rendered, s_tokenizer.Decode(ids));
            int own = Encode(template, [.. texts.Select(text => "y")]).Ids.Count(s_tokenizer.IsSpecial);
            Assert.Equal(own, ids.Count(s_tokenizer.IsSpecial));
        }
    });

    [Theory]
    [InlineData("\n\n\nx")]
    [InlineData(" \n  \n\n x")]
    [InlineData("\n")]
    [InlineData("x\n\n\n")]
    public void White_space_at_a_seam_merges_as_in_one_text(string text)
    {
        (int[] ids, string rendered) = Encode(s_templates[0], [text, text, text]);
        Assert.Equal(s_tokenizer.Encode(rendered, new EncodeOptions(AddedTokenMode.All)), ids);
    }

    [Theory]
    [InlineData("{% for m in messages %}{{ m.content | upper }}{% endfor %}")]
    [InlineData("{% for m in messages %}{{ m.content | replace('a', '<|im_end|>') }}{% endfor %}")]
    [InlineData("{% for m in messages %}{% if 'a' in m.content %}<|im_end|>{% endif %}{{ m.content }}{% endfor %}")]
    [InlineData("{% for m in messages %}{{ m.content[1:] }}{% endfor %}")]
    public void A_template_that_does_more_than_trim_is_refused(string template)
    {
        ChatPrompt prompt = new(ChatTemplate.Parse(template, "test"), s_tokenizer);
        InvalidInputException e = Assert.Throws<InvalidInputException>(
            () => prompt.Encode([new ChatMessage("user", "banana")], new ChatTemplateOptions()));
        Assert.StartsWith("test changes the texts of messages", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Tags_of_the_template_that_are_not_special_are_tokens_too()
    {
        ChatPrompt prompt = new(ChatTemplate.Parse("{{ messages[0].content }}<think>\n", "test"), s_tokenizer);
        (int[] ids, _) = prompt.Encode([new ChatMessage("user", "a<think>b")], new ChatTemplateOptions());
        Assert.True(s_tokenizer.TryGetId("<think>", out int think));
        Assert.Single(ids, think);
    }

    private static ChatTemplate Golden(params string[] parts) => ChatTemplate.Parse(File.ReadAllText(GoldenFolder.Find(parts)), parts[^1]);

    private static Gen<string[]> Texts(params string[] words) =>
        Gen.Elements(words).ListOf().Select(list => "x" + string.Concat(list) + "z").ArrayOf(3);

    private static (int[] Ids, string Rendered) Encode(ChatTemplate template, string[] texts)
    {
        ChatMessage[] messages = [new("system", texts[0]), new("user", texts[1]), new("assistant", "ok"), new("user", texts[2])];
        return new ChatPrompt(template, s_tokenizer).Encode(messages, new ChatTemplateOptions());
    }
}
