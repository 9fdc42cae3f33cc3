using System.Text;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Cli;

/// <summary>
/// Turns a conversation into tokens so that what people and models wrote can never become a control token, while what the
/// template wrote can. The template is rendered twice: with the messages, and with marks in the place of their texts. The
/// second rendering tells which parts are the template's own; the first must consist of exactly these parts with the
/// texts between them, whole or with white space trimmed, as templates do. A template that changes texts in another way
/// is refused, because then nobody can say who wrote what.
/// </summary>
internal sealed class ChatPrompt(ChatTemplate template, Tokenizer tokenizer)
{
    // Private-use characters that stand before and after the number of a text.
    private const char MarkStart = '\uE0F0';
    private const char MarkEnd = '\uE0F1';

    private static readonly Func<string, string>[] s_trims =
    [
        text => text, text => text.Trim(), text => text.TrimStart(), text => text.TrimEnd(),
        text => text.Trim('\n'), text => text.TrimStart('\n'), text => text.TrimEnd('\n'),
    ];

    /// <summary>Renders and encodes a conversation.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="options">What the template is told beside it.</param>
    /// <returns>The tokens, and the text that they stand for.</returns>
    /// <exception cref="InvalidInputException">The template refuses the conversation or changes texts.</exception>
    public (int[] Ids, string Text) Encode(IReadOnlyList<ChatMessage> messages, ChatTemplateOptions options)
    {
        List<string> texts = [];
        string? Mark(string? text)
        {
            if (string.IsNullOrEmpty(text))
                return text;
            texts.Add(text);
            return Quantity.Text($"{MarkStart}{texts.Count - 1}{MarkEnd}");
        }
        ChatMessage[] marked =
            [.. messages.Select(message => message with { Content = Mark(message.Content), ReasoningContent = Mark(message.ReasoningContent) })];
        string rendered = template.Render(messages, options);
        return (Encode(Split(rendered, template.Render(marked, options), texts)), rendered);
    }

    /// <summary>Cuts a rendering into the template's parts and the texts.</summary>
    private List<Part> Split(string rendered, string marked, List<string> texts)
    {
        List<Part> parts = [];
        int at = 0, read = 0;
        while (true)
        {
            int mark = marked.IndexOf(MarkStart, read);
            string own = marked[read..(mark < 0 ? marked.Length : mark)];
            if (!rendered.AsSpan(at).StartsWith(own, StringComparison.Ordinal))
                throw Changed();
            at += own.Length;
            parts.Add(new Part(own, IsTrusted: true));
            if (mark < 0)
                return at == rendered.Length ? parts : throw Changed();
            int end = marked.IndexOf(MarkEnd, mark);
            if (end < 0 || !int.TryParse(marked.AsSpan(mark + 1, end - mark - 1), out int index) || index >= texts.Count)
                throw Changed();
            read = end + 1;
            int next = marked.IndexOf(MarkStart, read);
            string text = FindText(rendered.AsSpan(at), texts[index], marked.AsSpan(read, (next < 0 ? marked.Length : next) - read));
            parts.Add(new Part(text, IsTrusted: false));
            at += text.Length;
        }
    }

    private string FindText(ReadOnlySpan<char> rendered, string text, ReadOnlySpan<char> follow)
    {
        foreach (Func<string, string> trim in s_trims)
        {
            string candidate = trim(text);
            if (rendered.StartsWith(candidate) && rendered[candidate.Length..].StartsWith(follow))
                return candidate;
        }
        throw Changed();
    }

    /// <summary>
    /// Encodes runs of ordinary text as wholes, across the seams of template and texts, as one encoding of everything would.
    /// </summary>
    private int[] Encode(List<Part> parts)
    {
        List<int> ids = [];
        StringBuilder run = new();
        void EndRun()
        {
            tokenizer.Encode(run.ToString(), EncodeOptions.PlainText, ids);
            run.Clear();
        }
        foreach (Part part in parts)
        {
            if (!part.IsTrusted)
            {
                run.Append(part.Text);
                continue;
            }
            int[] own = tokenizer.Encode(part.Text, new EncodeOptions(AddedTokenMode.All));
            if (tokenizer.Decode(own) != part.Text)
            {
                // A tokenizer that alters text has no places to cut at; then the seam is a boundary.
                EndRun();
                ids.AddRange(own);
                continue;
            }
            List<byte> bytes = [];
            foreach (int id in own)
            {
                if (!IsControl(id))
                {
                    bytes.AddRange(tokenizer.Bytes(id));
                    continue;
                }
                run.Append(Encoding.UTF8.GetString([.. bytes]));
                bytes.Clear();
                EndRun();
                ids.Add(id);
            }
            run.Append(Encoding.UTF8.GetString([.. bytes]));
        }
        EndRun();
        return [.. ids];
    }

    /// <summary>Whether a token is one that only trusted text may become: an added one, special or not.</summary>
    private bool IsControl(int id) =>
        tokenizer.IsSpecial(id) || tokenizer.Encode(Encoding.UTF8.GetString(tokenizer.Bytes(id))) is not [int plain] || plain != id;

    private InvalidInputException Changed() => new(
        $"{template.Name} changes the texts of messages in a way other than trimming white space, so they cannot be told from its control tokens.");

    private readonly record struct Part(string Text, bool IsTrusted);
}
