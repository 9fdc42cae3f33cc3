using System.CommandLine;
using Mellum2.Managed.Training;

namespace Mellum2.Managed.Cli;

/// <summary><c>mellum2 tokenizer train</c>: a tokenizer from a corpus.</summary>
internal static class TokenizerVerb
{
    public static Command Create(Terminal terminal)
    {
        Command command = new("tokenizer", "Makes tokenizers.");
        command.Subcommands.Add(CreateTrain(terminal));
        return command;
    }

    private static Command CreateTrain(Terminal terminal)
    {
        SourceArguments sources = new();
        Option<string> output = DataVerb.Output("The folder for the tokenizer.json");
        Option<int> vocabulary = NumberOptions.Whole("--vocabulary", "How many tokens, with 256 bytes and Mellum's 35 special tokens.", 0, 1, TokenizerTrainingOptions.MostTokens);
        vocabulary.Required = true;
        vocabulary.DefaultValueFactory = null;
        Option<int> least = NumberOptions.Whole("--least-count", "How often a pair must occur to become a token.", 2, 1);
        Option<int> threads = DataVerb.Threads();
        Option<bool> json = DataVerb.Json();
        Command command = new("train", "Trains a byte-level BPE tokenizer of Mellum's kind on text files and JSON Lines.");
        sources.AddTo(command);
        DataVerb.AddTo(command, vocabulary, output, least, threads, json);
        command.SetAction(parsed =>
        {
            TokenizerTrainingOptions options = new()
            {
                VocabularySize = parsed.GetValue(vocabulary),
                LeastCount = parsed.GetValue(least),
                Sources = sources.Read(parsed),
                Threads = DataVerb.ThreadCount(parsed.GetValue(threads)),
            };
            string target = parsed.GetValue(output)!;
            TokenizerTrainingReport report = Train(terminal, sources.Files(parsed), target, options);
            CorpusNotes.Warn(terminal, report.Corpus);
            if (report.LeftOutWords > 0)
                terminal.Note($"Left out: {Quantity.Count(report.LeftOutWords)} words that are too long to learn from.");
            if (report.VocabularySize < options.VocabularySize)
                terminal.Note($"No other pair occurs {options.LeastCount} times: {report.VocabularySize} tokens are all there are.");
            if (parsed.GetValue(json))
                terminal.WriteJson(writer =>
                {
                    writer.WriteString("output", target);
                    CorpusNotes.Write(writer, report.Corpus);
                    writer.WriteNumber("words", report.Words);
                    writer.WriteNumber("left_out_words", report.LeftOutWords);
                    writer.WriteNumber("vocabulary", report.VocabularySize);
                    writer.WriteNumber("merges", report.Merges);
                    writer.WriteNumber("bytes_per_token", report.BytesPerToken);
                });
            else
                terminal.Note(Quantity.Text(
                    $"{target} has a tokenizer of {report.VocabularySize} tokens; a token has {report.BytesPerToken:F3} bytes of the corpus on average."));
            return ExitCode.Success;
        });
        return command;
    }

    private static TokenizerTrainingReport Train(
        Terminal terminal, IReadOnlyList<SourceFile> files, string target, TokenizerTrainingOptions options)
    {
        using ProgressLine counting = new(terminal, "Counting words:", "MB");
        ProgressLine? merging = null;
        DirectProgress<TokenizerTrainingProgress> progress = new(value =>
        {
            if (value.IsMerging)
                (merging ??= new ProgressLine(terminal, "Merging:", "tokens")).Report(value.Done, value.Total);
            else
                counting.Report(value.Done / 1e6, value.Total / 1e6);
        });
        try
        {
            return TokenizerTrainer.Run(files, target, options, progress, terminal.Cancel);
        }
        finally
        {
            merging?.Dispose();
        }
    }
}
