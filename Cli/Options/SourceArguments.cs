using System.CommandLine;
using Mellum2.Managed.Training;

namespace Mellum2.Managed.Cli;

/// <summary>Which files a corpus consists of.</summary>
internal sealed class SourceArguments(bool isRequired = true)
{
    private readonly Option<string[]> _input = new("--input")
    {
        Description = "Files and folders: text, or JSON Lines (.jsonl, .ndjson), each also with .gz or .zst behind.",
        HelpName = "PATH",
        Required = isRequired,
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = true,
    };

    private readonly Option<string?> _extension = new("--extension")
    {
        Description = "Takes only files with these extensions out of folders, with commas between them: cs,md.",
        HelpName = "LIST",
    };

    private readonly Option<string> _field = new("--field")
    {
        Description = "The key of the text in a JSON line.",
        HelpName = "NAME",
        DefaultValueFactory = _ => "text",
    };

    private readonly Option<bool> _strict = new("--strict") { Description = "Refuses what is no text (binary, no valid UTF-8, no JSON) instead of leaving it out." };

    /// <summary>Gives the options to a verb.</summary>
    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_input, _extension, _field, _strict])
            command.Options.Add(option);
    }

    /// <summary>Whether files or folders are named.</summary>
    public bool IsGiven(ParseResult parsed) => parsed.GetValue(_input) is { Length: > 0 };

    /// <summary>The files and folders that are named.</summary>
    public string[] Paths(ParseResult parsed) => parsed.GetValue(_input) ?? [];

    /// <summary>How files are read.</summary>
    public SourceOptions Read(ParseResult parsed) => new()
    {
        Extensions = parsed.GetValue(_extension)?.Split([',', ' '], StringSplitOptions.RemoveEmptyEntries) ?? [],
        TextField = parsed.GetValue(_field)!,
        IsStrict = parsed.GetValue(_strict),
    };

    /// <summary>The files.</summary>
    public IReadOnlyList<SourceFile> Files(ParseResult parsed) => SourceFile.List(parsed.GetValue(_input)!, Read(parsed));
}
