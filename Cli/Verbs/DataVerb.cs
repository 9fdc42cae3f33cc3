using System.CommandLine;
using Mellum2.Managed.Training;

namespace Mellum2.Managed.Cli;

/// <summary><c>mellum2 data</c>: from files to the samples of a training.</summary>
internal static class DataVerb
{
    public const int MostThreads = 1024;

    public static Command Create(Terminal terminal)
    {
        Command command = new("data", "Turns files into the tokens and samples that training reads, and shows them.");
        command.Subcommands.Add(DataVerbTokenize.Create(terminal));
        command.Subcommands.Add(DataVerbPack.Create(terminal));
        command.Subcommands.Add(DataVerbInspect.Create(terminal));
        command.Subcommands.Add(DataVerbDecode.Create(terminal));
        return command;
    }

    public static Option<string> Input(string description) => new("--input") { Description = description, HelpName = "FOLDER", Required = true };

    public static Option<string> Output(string description) => new("--output") { Description = description + ", which must not exist or be empty.", HelpName = "FOLDER", Required = true };

    public static Option<string?> Model() => new("--model") { Description = "The folder with the tokenizer.json; without it, that of the small checkpoint that comes with the program.", HelpName = "FOLDER" };

    public static Option<int> Threads() => NumberOptions.Whole("--threads", "Threads; 0 means one for each processor. The result is the same.", 0, 0, MostThreads);

    public static Option<int> TokensPerShard() => NumberOptions.Whole("--shard-tokens", "When a file is full, in tokens.", 1 << 26, 1, 1 << 28);

    public static Option<bool> Json() => new("--json") { Description = "Prints the result as a JSON object." };

    public static int ThreadCount(int given) => given == 0 ? Environment.ProcessorCount : given;

    public static void AddTo(Command command, params ReadOnlySpan<Option> options)
    {
        foreach (Option option in options)
            command.Options.Add(option);
    }

    /// <summary>A data set whose vocabulary is that of a tokenizer.</summary>
    public static TokenDataset Open(string path, Model.Tokenizer tokenizer)
    {
        TokenDataset set = TokenDataset.Open(path);
        try
        {
            VocabularyIdentity.Of(tokenizer).Require(set.Vocabulary, path);
            return set;
        }
        catch
        {
            set.Dispose();
            throw;
        }
    }
}
