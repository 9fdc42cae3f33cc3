using System.CommandLine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Cli;

/// <summary>Where the gap is that the model fills: a cursor in a file, or two files with what stands before and after it.</summary>
internal sealed class FillOptions
{
    private readonly Option<string?> _file = new("--file") { Description = "Fills in at --line and --column of this file.", HelpName = "FILE" };

    private readonly Option<int?> _line = NumberOptions.OptionalWhole("--line", "The cursor's line, from 1.", 1);

    private readonly Option<int?> _column = NumberOptions.OptionalWhole("--column", "The cursor's column in characters, from 1.", 1);

    private readonly Option<string?> _prefix = new("--prefix-file") { Description = "Fills in after the text of this file.", HelpName = "FILE" };

    private readonly Option<string?> _suffix = new("--suffix-file") { Description = "Fills in before the text of this file.", HelpName = "FILE" };

    private readonly Option<string?> _name = new("--file-name")
    {
        Description = "The file's name as the model sees it; without it, the path as given.",
        HelpName = "NAME",
    };

    private readonly Option<string[]> _context = new("--context-file")
    {
        Description = "Other files of the project that the model may look at.",
        HelpName = "FILE",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = true,
    };

    /// <summary>Gives the options to a verb.</summary>
    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_file, _line, _column, _prefix, _suffix, _name, _context])
            command.Options.Add(option);
    }

    /// <summary>The gap, or null where none was asked for.</summary>
    public FillInTheMiddle? Read(ParseResult parsed)
    {
        string? file = parsed.GetValue(_file), prefixFile = parsed.GetValue(_prefix), suffixFile = parsed.GetValue(_suffix);
        int? line = parsed.GetValue(_line), column = parsed.GetValue(_column);
        string[] context = parsed.GetValue(_context) ?? [];
        if (file is null && prefixFile is null && suffixFile is null)
            return line is null && column is null && context.Length == 0 && parsed.GetValue(_name) is null
                ? null
                : throw new UsageException("--line, --column, --context-file and --file-name belong to --file or to --prefix-file and --suffix-file.");
        if (file is null ? prefixFile is null || suffixFile is null || line is not null || column is not null
            : prefixFile is not null || suffixFile is not null || line is null || column is null)
            throw new UsageException("Filling in needs either --file FILE --line L --column C, or --prefix-file FILE --suffix-file FILE.");
        (string prefix, string suffix) = file is null
            ? (TextFiles.Read(prefixFile!), TextFiles.Read(suffixFile!))
            : FillInTheMiddle.Split(TextFiles.Read(file), line!.Value, column!.Value, file);
        return new FillInTheMiddle(
            parsed.GetValue(_name) ?? file ?? prefixFile!, prefix, suffix, [.. context.Select(path => new NamedText(path, TextFiles.Read(path)))]);
    }
}
