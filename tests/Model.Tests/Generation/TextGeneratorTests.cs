using System.Text;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model.Tests;

/// <summary>Stop conditions, streaming and cancellation of text.</summary>
[Collection(ModelCollection.Name)]
public sealed class TextGeneratorTests
{
    private const string Prompt = "        if (value == null)\n        {\n            throw new ";

    private static readonly Mellum s_mini = TestModels.Get("mini", "simd");

    private static (string Text, GenerationResult Result) Generate(GenerationOptions options) => s_mini.Generate(Prompt, options);

    [Fact]
    public void The_text_is_the_decoding_of_the_tokens()
    {
        var (text, result) = Generate(new() { MaxTokens = 50 });
        Assert.Equal(FinishReason.Length, result.Reason);
        Assert.Equal(50, result.Tokens.Count);
        Assert.Equal(s_mini.Tokenizer.Decode([.. result.Tokens.Select(token => token.Id)], skipSpecial: true), text);
    }

    [Theory]
    [InlineData(DraftKind.None)]
    [InlineData(DraftKind.Mtp)]
    [InlineData(DraftKind.Lookup)]
    public void A_stop_string_ends_the_text_before_it(DraftKind kind)
    {
        string whole = Generate(new() { MaxTokens = 60, Speculation = SpeculationOptions.Off }).Text;
        string stop = whole[20..26];
        int place = whole.IndexOf(stop, StringComparison.Ordinal);
        var (text, result) = Generate(new() { MaxTokens = 60, StopStrings = ["never", stop], Speculation = new(kind, kind == DraftKind.None ? null : 4) });
        Assert.Equal(FinishReason.StopString, result.Reason);
        Assert.Equal(whole[..place], text);
    }

    [Fact]
    public void Every_end_of_text_id_ends_the_text_unless_it_is_ignored()
    {
        int[] ids = [.. Generate(new() { MaxTokens = 30, Speculation = SpeculationOptions.Off }).Result.Tokens.Select(token => token.Id)];
        int stop = ids[12];
        var (_, result) = Generate(new() { MaxTokens = 30, StopIds = [99999, stop] });
        Assert.Equal(FinishReason.StopToken, result.Reason);
        Assert.Equal(ids[..Array.IndexOf(ids, stop)], result.Tokens.Select(token => token.Id));
    }

    [Fact]
    public void Cancellation_keeps_what_was_generated()
    {
        using CancellationTokenSource source = new();
        StringBuilder seen = new();
        var (text, result) = s_mini.Generate(Prompt, new() { MaxTokens = 500 }, utf8 =>
        {
            seen.Append(Encoding.UTF8.GetString(utf8));
            if (seen.Length > 20)
                source.Cancel();
        }, source.Token);
        Assert.Equal(FinishReason.Cancelled, result.Reason);
        Assert.Equal(seen.ToString(), text);
        Assert.InRange(result.Tokens.Count, 1, 100);
    }

    [Fact]
    public void A_full_context_ends_the_text()
    {
        var (_, result) = Generate(new() { MaxTokens = 500, Context = 40 });
        Assert.Equal(FinishReason.ContextFull, result.Reason);
        Assert.Equal(40, result.PromptTokens + result.Tokens.Count);
        Assert.Contains(
            "40", Assert.Throws<InvalidInputException>(() => s_mini.Generate(string.Concat(Enumerable.Repeat("a b ", 60)), new() { Context = 40 })).Message,
            StringComparison.Ordinal);
    }
}
