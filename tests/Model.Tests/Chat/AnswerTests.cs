using FsCheck.Xunit;
using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Model.Tests;

/// <summary>Reading what the model wrote: thinking while it streams, tool calls when it is finished.</summary>
public class AnswerTests
{
    private static (string Thinking, string Answer) Split(string text, int chunk, bool startsThinking = false)
    {
        ThinkingSplitter splitter = new(startsThinking);
        string[] parts = ["", ""];
        for (int at = 0; at < text.Length; at += chunk) Add(splitter.Append(text.AsSpan(at, Math.Min(chunk, text.Length - at))));
        Add(splitter.Complete());
        return (parts[1], parts[0]);

        void Add(IReadOnlyList<ThinkingPiece> pieces)
        {
            foreach (ThinkingPiece piece in pieces)
            {
                Assert.NotEmpty(piece.Text);
                parts[piece.IsThinking ? 1 : 0] += piece.Text;
            }
        }
    }

    [Theory]
    [InlineData("<think>\na b\n</think>\n\nyes", false, "a b\n", "yes")]
    [InlineData("a</think>yes", true, "a", "yes")]
    [InlineData("no tags <thin", false, "", "no tags <thin")]
    [InlineData("<<think>x</think></think>", false, "x", "<</think>")]
    [InlineData("<think>never closed</thin", false, "never closed</thin", "")]
    [InlineData("a<think>b</think>c<think>d</think>e", false, "bd", "ace")]
    [InlineData("", false, "", "")]
    public void Thinking_is_separated_wherever_the_chunks_end(string text, bool startsThinking, string thinking, string answer)
    {
        for (int chunk = 1; chunk <= Math.Max(1, text.Length); chunk++) Assert.Equal((thinking, answer), Split(text, chunk, startsThinking));
    }

    [Fact]
    public void Text_that_cannot_become_a_tag_is_given_at_once()
    {
        ThinkingSplitter splitter = new();
        Assert.Equal([new ThinkingPiece("a ", false)], splitter.Append("a <thi"));
        Assert.Equal([new ThinkingPiece("<this", false)], splitter.Append("s"));
        Assert.Empty(splitter.Complete());
    }

    [Property(MaxTest = 1000)]
    public bool The_cut_into_chunks_never_matters(byte[] choices, int chunk)
    {
        string[] pieces = ["<think>", "</think>", "<", "think>", "</", "x", " ", "\n"];
        string text = string.Concat((choices ?? []).Select(choice => pieces[choice % pieces.Length]));
        return Split(text, 1 + (int)((uint)chunk % 7)) == Split(text, int.MaxValue / 2);
    }

    [Fact]
    public void Tool_calls_are_read_in_order_and_cut_out()
    {
        ToolCallParserResult result = ToolCallParser.Parse(
            "Let me see.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": \"é</tool_call>\"}}\n</tool_call>\n<tool_call>{\"name\":\"g\"}</tool_call>");
        Assert.Equal("Let me see.", result.Content);
        Assert.Equal(["f", "g"], result.ToolCalls.Select(call => call.Name));
        Assert.Equal("é</tool_call>", result.ToolCalls[0].Arguments.GetProperty("x").GetString());
        Assert.Equal("{}", result.ToolCalls[1].Arguments.GetRawText());
    }

    [Theory]
    [InlineData("<tool_call>{\"name\": \"f\"", "Tool call 1 of the answer holds no valid JSON")]
    [InlineData("<tool_call>{\"name\": \"f\"} x</tool_call>", "Tool call 1 of the answer is not closed")]
    [InlineData("<tool_call>[1]</tool_call>", "must be a JSON object with a text 'name'")]
    [InlineData("<tool_call>{\"name\": 1}</tool_call>", "must be a JSON object with a text 'name'")]
    [InlineData("<tool_call>", "Tool call 1 of the answer holds no valid JSON")]
    public void A_broken_call_is_refused(string answer, string expected) =>
        Assert.Contains(expected, Assert.Throws<InvalidInputException>(() => ToolCallParser.Parse(answer)).Message, StringComparison.Ordinal);
}
