using System.CommandLine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Cli;

/// <summary>Where a prompt comes from, and whether control tokens in it are taken as such.</summary>
internal sealed class PromptOptions
{
    private readonly Option<string?> _prompt = new("--prompt") { Description = "The text; - reads standard input.", HelpName = "TEXT" };

    private readonly Option<string?> _file = new("--prompt-file") { Description = "A file with the text, UTF-8.", HelpName = "FILE" };

    private readonly Option<bool> _special = new("--special")
    {
        Description = "Takes control tokens in the text as such; without it they are ordinary text.",
    };

    /// <summary>Gives the options to a verb.</summary>
    public void AddTo(Command command)
    {
        command.Options.Add(_prompt);
        command.Options.Add(_file);
        command.Options.Add(_special);
    }

    /// <summary>How the text is to be encoded.</summary>
    public EncodeOptions Encoding(ParseResult parsed) =>
        new(parsed.GetValue(_special) ? AddedTokenMode.All : AddedTokenMode.None, PostProcess: true);

    /// <summary>The text, or null where none was given.</summary>
    public string? Read(ParseResult parsed, Terminal terminal)
    {
        string? prompt = parsed.GetValue(_prompt), file = parsed.GetValue(_file);
        if (prompt is not null && file is not null)
            throw new UsageException("--prompt and --prompt-file exclude each other.");
        if (file is not null)
            return TextFiles.Read(file);
        return prompt == "-" ? TextFiles.ReadInput(terminal.Input) : prompt;
    }

    /// <summary>The text.</summary>
    public string Require(ParseResult parsed, Terminal terminal) =>
        Read(parsed, terminal) ?? throw new UsageException("--prompt TEXT, --prompt - or --prompt-file FILE is needed.");
}
