using System.CommandLine;

namespace Mellum2.Managed.Cli;

/// <summary>An option that takes one of a few words, each of which stands for a value.</summary>
internal sealed class WordOption<T> : Option<string?>
{
    private readonly (string Word, T Value)[] _words;

    /// <summary>Creates the option.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="description">What help says.</param>
    /// <param name="standard">The word that stands in for none; null where there is none.</param>
    /// <param name="words">The words and their values.</param>
    public WordOption(string name, string description, string? standard, params (string Word, T Value)[] words) : base(name)
    {
        _words = words;
        Description = description;
        HelpName = string.Join('|', words.Select(word => word.Word));
        if (standard is not null)
            DefaultValueFactory = _ => standard;
        CustomParser = result =>
        {
            string text = result.Tokens[0].Value;
            if (!_words.Any(word => word.Word == text))
                result.AddError($"{name} must be one of {string.Join(", ", _words.Select(word => word.Word))}, not \"{text}\".");
            return text;
        };
    }

    /// <summary>The value of the word that was given, or of the standard one; the type's default where there is neither.</summary>
    public T? Read(ParseResult parsed)
    {
        string? text = parsed.GetValue(this);
        foreach ((string word, T value) in _words)
            if (word == text)
                return value;
        return default;
    }

    /// <summary>Whether the option was given.</summary>
    public bool IsGiven(ParseResult parsed) => parsed.GetResult(this) is { Implicit: false };
}
