using System.Text;

namespace Mellum2.Managed.Model;

/// <summary>A piece of what the model wrote.</summary>
/// <param name="Text">The text, never empty.</param>
/// <param name="IsThinking">Whether it stands inside <c>&lt;think&gt;…&lt;/think&gt;</c>.</param>
public readonly record struct ThinkingPiece(string Text, bool IsThinking);

/// <summary>
/// Separates <c>&lt;think&gt;…&lt;/think&gt;</c> from the answer while text streams in. A tag may be cut anywhere between
/// two chunks: what could still become a tag is held back until it is decided. The tags are dropped, and so is the
/// white space that follows one directly; the white space before a tag stays.
/// </summary>
public sealed class ThinkingSplitter
{
    private const string OpenTag = "<think>";
    private const string CloseTag = "</think>";

    private readonly StringBuilder _held = new();
    private bool _thinking;
    private bool _atStart;

    /// <summary>Starts before the model's first character.</summary>
    /// <param name="startsThinking">True when the prompt already ended with <c>&lt;think&gt;</c>.</param>
    public ThinkingSplitter(bool startsThinking = false) => (_thinking, _atStart) = (startsThinking, startsThinking);

    /// <summary>Whether the next character would be part of the thinking.</summary>
    public bool IsThinking => _thinking;

    /// <summary>Takes the next chunk and gives the pieces that are decided by it.</summary>
    public IReadOnlyList<ThinkingPiece> Append(ReadOnlySpan<char> chunk)
    {
        _held.Append(chunk);
        return Take(atEnd: false);
    }

    /// <summary>Ends the text: what was held back as a possible tag is text.</summary>
    public IReadOnlyList<ThinkingPiece> Complete() => Take(atEnd: true);

    private List<ThinkingPiece> Take(bool atEnd)
    {
        List<ThinkingPiece> pieces = [];
        string text = _held.ToString();
        int at = 0;
        while (true)
        {
            if (_atStart)
            {
                while (at < text.Length && char.IsWhiteSpace(text[at])) at++;
                if (at == text.Length) break;
            }
            string tag = _thinking ? CloseTag : OpenTag;
            int found = text.IndexOf(tag, at, StringComparison.Ordinal);
            int end = found >= 0 ? found : atEnd ? text.Length : text.Length - PartialTag(text.AsSpan(at), tag);
            if (end > at)
            {
                pieces.Add(new ThinkingPiece(text[at..end], _thinking));
                _atStart = false;
            }
            at = end;
            if (found < 0) break;
            at += tag.Length;
            _thinking = !_thinking;
            _atStart = true;
        }
        _held.Clear().Append(text, at, text.Length - at);
        return pieces;
    }

    /// <summary>The length of the longest end of the text that is the start of the tag.</summary>
    private static int PartialTag(ReadOnlySpan<char> text, string tag)
    {
        for (int length = Math.Min(text.Length, tag.Length - 1); length > 0; length--)
            if (text.EndsWith(tag.AsSpan(0, length), StringComparison.Ordinal))
                return length;
        return 0;
    }
}
