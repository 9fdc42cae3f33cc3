using System.Globalization;
using System.Text;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

internal enum JinjaTokenKind { Data, VariableBegin, VariableEnd, BlockBegin, BlockEnd, Name, Text, Integer, Float, Operator, End }

/// <summary>A token; <c>Text</c> is the decoded value of a string literal, and the characters of the source otherwise.</summary>
internal readonly record struct JinjaToken(JinjaTokenKind Kind, string Text, int Line)
{
    public bool Is(JinjaTokenKind kind, string text) => Kind == kind && Text == text;

    public string Describe() => Kind switch
    {
        JinjaTokenKind.End => "the end of the template",
        JinjaTokenKind.VariableEnd => "'}}'",
        JinjaTokenKind.BlockEnd => "'%}'",
        JinjaTokenKind.Data => "text",
        JinjaTokenKind.VariableBegin => "'{{'",
        JinjaTokenKind.BlockBegin => "'{%'",
        JinjaTokenKind.Text => "a string",
        _ => $"'{Text}'",
    };
}

/// <summary>
/// Cuts a template into tokens by the rules of jinja2 3.1 with <c>trim_blocks</c> and <c>lstrip_blocks</c>: the newline
/// after a <c>%}</c> or <c>#}</c> goes, blanks before a <c>{%</c> or <c>{#</c> that is first on its line go, a <c>-</c>
/// takes all white space on its side, a <c>+</c> keeps it, and one newline at the template's end goes.
/// </summary>
internal sealed class JinjaLexer
{
    private static readonly string[] s_operators =
        ["//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";"];

    private readonly string _source;
    private readonly string _name;
    private readonly List<JinjaToken> _tokens = [];
    private int _position;
    private int _line = 1;
    private int _counted;

    private JinjaLexer(string source, string name) => (_source, _name) = (source, name);

    public static List<JinjaToken> Tokenize(string source, string name, JinjaLimits limits)
    {
        if (source.Length > limits.SourceLength)
            throw new InvalidInputException($"{name} has {source.Length} characters; a chat template may have at most {limits.SourceLength}.");
        source = source.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        if (source.EndsWith('\n')) source = source[..^1];
        JinjaLexer lexer = new(source, name);
        lexer.Root();
        return lexer._tokens;
    }

    private void Root()
    {
        while (true)
        {
            int tag = FindTag(_position);
            if (tag < 0)
            {
                AddData(_position, _source.Length);
                _position = _source.Length;
                _tokens.Add(new JinjaToken(JinjaTokenKind.End, "", LineAt(_position)));
                return;
            }
            char kind = _source[tag + 1];
            char sign = tag + 2 < _source.Length && _source[tag + 2] is '-' or '+' ? _source[tag + 2] : ' ';
            int dataEnd = StripBefore(_position, tag, sign, canStripBlanks: kind != '{');
            AddData(_position, dataEnd);
            _position = tag + (sign == ' ' ? 2 : 3);
            if (kind == '#')
                Comment(tag);
            else if (kind == '%' && RawBegin(_position) is int rawStart)
                Raw(tag, rawStart);
            else
                Expression(tag, kind == '{');
        }
    }

    private int FindTag(int from)
    {
        for (int i = from; i + 1 < _source.Length; i++)
        {
            i = _source.IndexOf('{', i);
            if (i < 0 || i + 1 >= _source.Length) return -1;
            if (_source[i + 1] is '{' or '%' or '#') return i;
        }
        return -1;
    }

    /// <summary>Where the text from <paramref name="start"/> to the tag at <paramref name="end"/> stops once stripped.</summary>
    private int StripBefore(int start, int end, char sign, bool canStripBlanks)
    {
        if (sign == '-')
        {
            while (end > start && PythonText.IsSpace(_source[end - 1])) end--;
        }
        else if (sign != '+' && canStripBlanks)
        {
            int i = end;
            while (i > start && _source[i - 1] != '\n' && PythonText.IsSpace(_source[i - 1])) i--;
            bool firstOnLine = i > start ? _source[i - 1] == '\n' : i == 0 || _source[i - 1] == '\n';
            if (firstOnLine) return i;
        }
        return end;
    }

    private void AddData(int start, int end)
    {
        if (end > start)
            _tokens.Add(new JinjaToken(JinjaTokenKind.Data, _source[start..end], LineAt(start)));
    }

    private void Comment(int tag)
    {
        int end = _source.IndexOf("#}", _position, StringComparison.Ordinal);
        if (end < 0) throw Fail(tag, "the comment that starts with '{#' has no '#}'");
        AfterTag(end, end > _position ? _source[end - 1] : ' ', trims: true);
    }

    /// <summary>Moves behind the two characters at <paramref name="end"/> and what their sign takes.</summary>
    private void AfterTag(int end, char sign, bool trims)
    {
        _position = end + 2;
        if (sign == '-')
            SkipSpace();
        else if (sign != '+' && trims && _position < _source.Length && _source[_position] == '\n')
            _position++;
    }

    private void SkipSpace()
    {
        while (_position < _source.Length && PythonText.IsSpace(_source[_position])) _position++;
    }

    private int SkipSpace(int position)
    {
        while (position < _source.Length && PythonText.IsSpace(_source[position])) position++;
        return position;
    }

    /// <summary>The start of a raw block's text when the tag whose inside starts at <paramref name="position"/> opens one.</summary>
    private int? RawBegin(int position)
    {
        position = SkipSpace(position);
        if (string.CompareOrdinal(_source, position, "raw", 0, 3) != 0) return null;
        position = SkipSpace(position + 3);
        if (string.CompareOrdinal(_source, position, "-%}", 0, 3) == 0) return SkipSpace(position + 3);
        return string.CompareOrdinal(_source, position, "%}", 0, 2) == 0 ? position + 2 : null;
    }

    private void Raw(int tag, int start)
    {
        for (int open = start; (open = _source.IndexOf("{%", open, StringComparison.Ordinal)) >= 0; open += 2)
        {
            char sign = open + 2 < _source.Length && _source[open + 2] is '-' or '+' ? _source[open + 2] : ' ';
            int name = SkipSpace(open + (sign == ' ' ? 2 : 3));
            if (string.CompareOrdinal(_source, name, "endraw", 0, 6) != 0) continue;
            int close = SkipSpace(name + 6);
            char closeSign = close < _source.Length && _source[close] is '-' or '+' ? _source[close] : ' ';
            if (closeSign != ' ') close++;
            if (string.CompareOrdinal(_source, close, "%}", 0, 2) != 0) continue;
            AddData(start, StripBefore(start, open, sign, canStripBlanks: true));
            AfterTag(close, closeSign, trims: true);
            return;
        }
        throw Fail(tag, "the block 'raw' has no 'endraw'");
    }

    private void Expression(int tag, bool variable)
    {
        string close = variable ? "}}" : "%}";
        _tokens.Add(new JinjaToken(variable ? JinjaTokenKind.VariableBegin : JinjaTokenKind.BlockBegin, "", LineAt(tag)));
        Stack<char> open = new();
        while (true)
        {
            SkipSpace();
            if (_position >= _source.Length)
                throw Fail(tag, $"the tag that starts with '{(variable ? "{{" : "{%")}' has no '{close}'");
            char c = _source[_position];
            if (open.Count == 0)
            {
                // A sign belongs to the end of the tag when the end follows at once ('+' only in blocks).
                int end = c == '-' || (c == '+' && !variable) ? _position + 1 : _position;
                if (string.CompareOrdinal(_source, end, close, 0, 2) == 0)
                {
                    _tokens.Add(new JinjaToken(variable ? JinjaTokenKind.VariableEnd : JinjaTokenKind.BlockEnd, "", LineAt(_position)));
                    AfterTag(end, end > _position ? c : ' ', trims: !variable);
                    return;
                }
            }
            if (char.IsAsciiDigit(c)) Number();
            else if (char.IsLetter(c) || c == '_') Name();
            else if (c is '\'' or '"') Text(c);
            else Operator(open);
        }
    }

    private void Name()
    {
        int start = _position;
        while (_position < _source.Length && (char.IsLetterOrDigit(_source[_position]) || _source[_position] == '_')) _position++;
        Add(JinjaTokenKind.Name, start, _source[start.._position]);
    }

    private void Operator(Stack<char> open)
    {
        string? found = Array.Find(s_operators, o => string.CompareOrdinal(_source, _position, o, 0, o.Length) == 0)
            ?? throw Fail(_position, $"the character '{_source[_position]}' was not expected in a tag");
        char c = found[0];
        if (c is '(' or '[' or '{')
        {
            open.Push(c == '(' ? ')' : c == '[' ? ']' : '}');
        }
        else if (c is ')' or ']' or '}')
        {
            if (open.Count == 0 || open.Pop() != c) throw Fail(_position, $"'{c}' closes nothing that was opened");
        }
        _position += found.Length;
        Add(JinjaTokenKind.Operator, _position - found.Length, found);
    }

    private void Number()
    {
        int start = _position;
        bool mayBeFloat = start == 0 || _source[start - 1] != '.';
        if (mayBeFloat && Digits(start, 10) is int whole)
        {
            int end = whole;
            bool isFloat = false;
            if (end + 1 < _source.Length && _source[end] == '.' && Digits(end + 1, 10) is int fraction) (end, isFloat) = (fraction, true);
            if (end < _source.Length && _source[end] is 'e' or 'E')
            {
                int sign = end + 1 < _source.Length && _source[end + 1] is '+' or '-' ? 1 : 0;
                if (Digits(end + 1 + sign, 10) is int exponent) (end, isFloat) = (exponent, true);
            }
            if (isFloat)
            {
                _position = end;
                Add(JinjaTokenKind.Float, start, _source[start..end].Replace("_", "", StringComparison.Ordinal));
                return;
            }
        }
        int radix = _source[start] == '0' && start + 1 < _source.Length
            ? char.ToLowerInvariant(_source[start + 1]) switch { 'x' => 16, 'o' => 8, 'b' => 2, _ => 10 } : 10;
        if (radix != 10)
        {
            int first = start + 2 < _source.Length && _source[start + 2] == '_' ? start + 3 : start + 2;
            _position = Digits(first, radix) ?? throw Fail(start, $"'{_source[start..(start + 2)]}' starts a number without digits");
        }
        else
        {
            _position = Digits(start, 10)!.Value;
            if (_source[start] == '0' && _source.AsSpan(start, _position - start).ContainsAnyExcept('0', '_'))
                throw Fail(start, $"'{_source[start.._position]}' is no number: a whole number may not start with 0");
        }
        Add(JinjaTokenKind.Integer, start, _source[start.._position].Replace("_", "", StringComparison.Ordinal));
    }

    /// <summary>The end of the digits at <paramref name="position"/> (single underscores between them), or null.</summary>
    private int? Digits(int position, int radix)
    {
        int? end = null;
        while (position < _source.Length)
        {
            char c = _source[position];
            if (c == '_' && end == position && position + 1 < _source.Length) position++;
            else if (char.IsAsciiHexDigit(c) && Convert.ToInt32(c.ToString(), 16) < radix) end = ++position;
            else break;
        }
        return end;
    }

    private void Text(char quote)
    {
        int start = _position++;
        StringBuilder text = new();
        while (true)
        {
            if (_position >= _source.Length) throw Fail(start, $"the string that starts with {quote} has no end");
            char c = _source[_position++];
            if (c == quote) break;
            if (c != '\\') text.Append(c);
            else if (_position < _source.Length) Escape(text);
        }
        Add(JinjaTokenKind.Text, start, text.ToString());
    }

    private void Escape(StringBuilder text)
    {
        char c = _source[_position++];
        switch (c)
        {
            case '\n': break;
            case '\\' or '\'' or '"': text.Append(c); break;
            case 'a': text.Append('\a'); break;
            case 'b': text.Append('\b'); break;
            case 'f': text.Append('\f'); break;
            case 'n': text.Append('\n'); break;
            case 'r': text.Append('\r'); break;
            case 't': text.Append('\t'); break;
            case 'v': text.Append('\v'); break;
            case 'x': AppendCode(text, 2); break;
            case 'u': AppendCode(text, 4); break;
            case 'U': AppendCode(text, 8); break;
            case 'N': throw Fail(_position - 2, "the escape '\\N' (a character by name) is not supported");
            case >= '0' and <= '7':
                int value = c - '0';
                for (int i = 0; i < 2 && _position < _source.Length && _source[_position] is >= '0' and <= '7'; i++)
                    value = value * 8 + (_source[_position++] - '0');
                text.Append((char)value);
                break;
            default: text.Append('\\').Append(c); break;
        }
    }

    private void AppendCode(StringBuilder text, int digits)
    {
        if (_position + digits > _source.Length
            || !uint.TryParse(_source.AsSpan(_position, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint code)
            || code > 0x10FFFF)
        {
            throw Fail(_position - 2, $"the escape '\\{_source[_position - 1]}' needs {digits} hexadecimal digits of a character's code");
        }
        _position += digits;
        if (code >= 0x10000) text.Append(char.ConvertFromUtf32((int)code));
        else text.Append((char)code);
    }

    private void Add(JinjaTokenKind kind, int start, string text) => _tokens.Add(new JinjaToken(kind, text, LineAt(start)));

    /// <summary>The line of a position; positions are asked for in rising order, so the source is counted once.</summary>
    private int LineAt(int position)
    {
        if (position > _counted)
        {
            _line += _source.AsSpan(_counted, position - _counted).Count('\n');
            _counted = position;
        }
        return _line;
    }

    private InvalidInputException Fail(int position, string problem)
    {
        int line = 1 + _source.AsSpan(0, Math.Min(position, _source.Length)).Count('\n');
        return new InvalidInputException($"{_name}, line {line}: {problem}.");
    }
}
