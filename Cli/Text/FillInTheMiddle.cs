using System.Text;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Cli;

/// <summary>A file of the project that the model may look at.</summary>
internal readonly record struct NamedText(string Path, string Text);

/// <summary>
/// What stands before and after a gap in a file. The prompt is Mellum's layout "suffix, prefix, middle": for each context
/// file <c>&lt;filename&gt;{path}\n{text}\n</c>, then
/// <c>&lt;filename&gt;{path}\n&lt;fim_suffix&gt;{suffix}&lt;fim_prefix&gt;{prefix}&lt;fim_middle&gt;</c>.
/// </summary>
internal sealed record FillInTheMiddle(string Path, string Prefix, string Suffix, IReadOnlyList<NamedText> Context)
{
    private const string FileName = "<filename>";
    private const string PrefixToken = "<fim_prefix>";
    private const string MiddleToken = "<fim_middle>";
    private const string SuffixToken = "<fim_suffix>";
    private const string PadToken = "<fim_pad>";

    /// <summary>A bound on the number of tokens: bytes, and the layout's own tokens.</summary>
    public long ByteCount
    {
        get
        {
            long bytes = 4 + Encoding.UTF8.GetByteCount(Path) + 1 + Encoding.UTF8.GetByteCount(Prefix) + Encoding.UTF8.GetByteCount(Suffix);
            foreach (NamedText file in Context)
                bytes += 3 + Encoding.UTF8.GetByteCount(file.Path) + Encoding.UTF8.GetByteCount(file.Text);
            return bytes;
        }
    }

    /// <summary>The prompt's tokens. Only the layout's own tokens are control tokens: what files hold is ordinary text.</summary>
    /// <exception cref="InvalidInputException">The tokenizer has no such tokens.</exception>
    public int[] Encode(Tokenizer tokenizer)
    {
        List<int> ids = [];
        void Add(string token, string text)
        {
            ids.Add(Id(tokenizer, token));
            tokenizer.Encode(text, EncodeOptions.PlainText, ids);
        }
        foreach (NamedText file in Context)
            Add(FileName, $"{file.Path}\n{file.Text}\n");
        Add(FileName, Path + "\n");
        Add(SuffixToken, Suffix);
        Add(PrefixToken, Prefix);
        Add(MiddleToken, "");
        return [.. ids];
    }

    /// <summary>The tokens that end the middle.</summary>
    /// <exception cref="InvalidInputException">The tokenizer has no such tokens.</exception>
    public static int[] StopIds(Tokenizer tokenizer)
    {
        int[] ids = [Id(tokenizer, FileName), Id(tokenizer, PrefixToken), Id(tokenizer, MiddleToken), Id(tokenizer, SuffixToken)];
        return tokenizer.TryGetId(PadToken, out int pad) ? [.. ids, pad] : ids;
    }

    /// <summary>Cuts a text at a cursor.</summary>
    /// <param name="text">The text.</param>
    /// <param name="line">The line, from 1. The line after a final line end counts.</param>
    /// <param name="column">The column in characters, from 1; one more than the line has is its end.</param>
    /// <param name="path">The file's name, for messages.</param>
    /// <exception cref="InvalidInputException">There is no such place.</exception>
    public static (string Prefix, string Suffix) Split(string text, int line, int column, string path)
    {
        int start = 0;
        for (int number = 1; number < line; number++)
        {
            int end = text.IndexOf('\n', start);
            if (end < 0)
                throw new InvalidInputException($"--line {line} is not in {path}, which has {number} line{(number == 1 ? "" : "s")}.");
            start = end + 1;
        }
        int lineEnd = text.IndexOf('\n', start);
        ReadOnlySpan<char> rest = text.AsSpan(start, (lineEnd < 0 ? text.Length : lineEnd) - start);
        if (rest.EndsWith("\r"))
            rest = rest[..^1];
        int at = 0, characters = 0;
        while (characters < column - 1 && at < rest.Length)
        {
            at += char.IsSurrogatePair(rest[at], at + 1 < rest.Length ? rest[at + 1] : '\0') ? 2 : 1;
            characters++;
        }
        if (characters < column - 1)
            throw new InvalidInputException(
                $"--column {column} is not in line {line} of {path}, which has {characters} character{(characters == 1 ? "" : "s")}.");
        return (text[..(start + at)], text[(start + at)..]);
    }

    private static int Id(Tokenizer tokenizer, string token) => tokenizer.TryGetId(token, out int id)
        ? id
        : throw new InvalidInputException($"The tokenizer of this checkpoint has no token {token}, which filling in the middle needs.");
}
