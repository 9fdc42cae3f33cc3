using System.Text;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Cli;

/// <summary>
/// Streams an answer and shows the model's thinking apart from it: dimmed on a terminal, else between lines that say so.
/// </summary>
internal sealed class AnswerWriter(Terminal terminal, bool startsThinking, bool isSilent)
{
    private const string Dim = "\e[2m";
    private const string Normal = "\e[22m";
    private readonly ThinkingSplitter _splitter = new(startsThinking);
    private readonly StringBuilder _thinking = new();
    private readonly StringBuilder _answer = new();
    private bool _isInThinking;
    private bool _endsLine = true;

    /// <summary>What the model thought; empty for nothing.</summary>
    public string Thinking => _thinking.ToString();

    /// <summary>The answer.</summary>
    public string Answer => _answer.ToString();

    /// <summary>Takes whole characters.</summary>
    public void Append(ReadOnlySpan<byte> utf8) => Show(_splitter.Append(Encoding.UTF8.GetString(utf8)));

    /// <summary>Ends the answer, and its line.</summary>
    public void Complete()
    {
        Show(_splitter.Complete());
        Switch(false);
        if (!_endsLine)
            Print("\n");
    }

    private void Show(IReadOnlyList<ThinkingPiece> pieces)
    {
        foreach (ThinkingPiece piece in pieces)
        {
            Switch(piece.IsThinking);
            (piece.IsThinking ? _thinking : _answer).Append(piece.Text);
            Print(piece.Text);
        }
    }

    private void Switch(bool isThinking)
    {
        if (isThinking == _isInThinking)
            return;
        _isInThinking = isThinking;
        if (terminal.IsOutputTerminal)
        {
            Print(isThinking ? Dim : (_endsLine ? "" : "\n") + Normal);
            return;
        }
        Print((_endsLine ? "" : "\n") + (isThinking ? "[thinking]\n" : "[answer]\n"));
    }

    private void Print(string text)
    {
        if (isSilent || text.Length == 0)
            return;
        terminal.Write(text);
        _endsLine = text.EndsWith('\n') || (_endsLine && text is Dim or Normal);
    }
}
