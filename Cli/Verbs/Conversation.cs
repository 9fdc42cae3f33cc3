using Mellum2.Managed.Model;

namespace Mellum2.Managed.Cli;

/// <summary>
/// The turns of a conversation and the generator that answers them. Every turn renders the conversation anew; the generator
/// runs only what differs from what its cache holds.
/// </summary>
internal sealed class Conversation : IDisposable
{
    private readonly Terminal _terminal;
    private readonly Mellum _mellum;
    private readonly TextGenerator _generator;
    private readonly ChatPrompt _prompt;
    private readonly ChatTemplateOptions _template;
    private readonly string? _system;
    private readonly bool _json;
    private readonly List<ChatMessage> _messages = [];
    private int _turn;

    public Conversation(Terminal terminal, Mellum mellum, GenerationOptions options, string? system, bool? thinking, bool json)
    {
        (_terminal, _mellum, _system, _json) = (terminal, mellum, system, json);
        ChatTemplate template = mellum.Chat ?? BuiltInTemplate.Create(mellum.Tokenizer);
        if (mellum.Chat is null)
            terminal.Note("The checkpoint has no chat template; the built-in one is used (<|im_start|>role, text, <|im_end|>).");
        _prompt = new ChatPrompt(template, mellum.Tokenizer);
        _template = new ChatTemplateOptions { EnableThinking = thinking };
        _generator = new TextGenerator(mellum.Model, mellum.Tokenizer, options, options.Context!.Value);
        Reset();
    }

    /// <summary>Forgets all turns.</summary>
    public void Reset()
    {
        _messages.Clear();
        if (_system is not null)
            _messages.Add(new ChatMessage("system", _system));
    }

    /// <summary>Takes a turn of the user and streams the answer to it. A turn that fails is as if it had not been.</summary>
    public FinishReason Answer(string text)
    {
        _messages.Add(new ChatMessage("user", text));
        try
        {
            (int[] ids, string rendered) = _prompt.Encode(_messages, _template);
            bool startsThinking = rendered.AsSpan().TrimEnd().EndsWith("<think>");
            AnswerWriter answer = new(_terminal, startsThinking, isSilent: _json);
            using ProgressLine progress = new(_terminal, "Reading the conversation:", "tokens");
            GenerationResult result = _generator.Run(
                ids,
                utf8 =>
                {
                    progress.Dispose();
                    answer.Append(utf8);
                },
                new CountProgress(progress, ids.Length),
                _terminal.Cancel);
            progress.Dispose();
            answer.Complete();
            _messages.Add(new ChatMessage("assistant", answer.Answer) { ReasoningContent = answer.Thinking.Length == 0 ? null : answer.Thinking });
            Report(result, answer, ids);
            return result.Reason;
        }
        catch
        {
            _messages.RemoveRange(_messages.FindLastIndex(message => message.Role == "user"), 1);
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _generator.Dispose();

    private void Report(GenerationResult result, AnswerWriter answer, int[] ids)
    {
        string? drafter = _generator.Decoder.DrafterName;
        _turn++;
        if (_json)
            _terminal.WriteJson(json =>
            {
                json.WriteNumber("turn", _turn);
                json.WriteString("kernels", _mellum.Model.Context.Kernels.Description);
                json.WriteStartArray("prompt_ids");
                foreach (int id in ids)
                    json.WriteNumberValue(id);
                json.WriteEndArray();
                json.WriteString("thinking", answer.Thinking);
                GenerationReport.Write(json, result, answer.Answer, drafter);
            });
        _terminal.Note(GenerationReport.Summary(result, drafter));
    }
}
