using System.CommandLine;
using System.Diagnostics;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;
using Mellum2.Managed.Training;

namespace Mellum2.Managed.Cli;

/// <summary><c>mellum2 eval</c>: how well a checkpoint predicts a text.</summary>
internal static class EvalVerb
{
    private const int StandardLength = 2048;

    public static Command Create(Terminal terminal)
    {
        ModelOptions model = new();
        SourceArguments sources = new(isRequired: false);
        Option<string?> packed = new("--packed") { Description = "Samples or documents of tokens, as data pack and data tokenize write them, instead of --input.", HelpName = "FOLDER" };
        Option<int?> length = NumberOptions.OptionalWhole("--length", $"The most tokens that a token is predicted from; without it, {StandardLength} (or the model's positions), for samples their length.", 1);
        Option<int?> most = NumberOptions.OptionalWhole("--max-tokens", "Stops after so many tokens.", 1);
        Command command = new("eval", "Measures how well a checkpoint predicts text: loss, perplexity, bits per byte, next-token accuracy, and loss and greedy acceptance of the MTP head. Weights stay in the format of the file.");
        sources.AddTo(command);
        command.Options.Add(packed);
        command.Options.Add(length);
        command.Options.Add(most);
        model.AddTo(command);
        command.SetAction(parsed =>
        {
            ModelSettings settings = model.Read(parsed);
            string? folder = parsed.GetValue(packed);
            if (folder is null == !sources.IsGiven(parsed))
                throw new UsageException("Either --input PATH or --packed FOLDER is needed.");
            ModelLoading.RequireFolder(settings.Folder);
            int positions = ModelConfiguration.Load(settings.Folder).MaximumPositions;
            if (parsed.GetValue(length) > positions)
                throw new InvalidInputException($"--length {parsed.GetValue(length)} is more than the {positions} positions that the model has.");
            using TokenDataset? given = folder is null ? null : TokenDataset.Open(folder);
            int window = parsed.GetValue(length) ?? Math.Min(positions, given is { IsPacked: true } ? given.SequenceLength : StandardLength);
            using Mellum mellum = ModelLoading.Load(terminal, settings, window, new SpeculationOptions(DraftKind.Auto, null));
            if (given is not null)
            {
                VocabularyIdentity.Of(mellum.Tokenizer).Require(given.Vocabulary, given.Path);
                return Run(terminal, settings, mellum, given, folder!, window, parsed.GetValue(most));
            }
            DirectoryInfo temporary = Directory.CreateTempSubdirectory("mellum2-eval-");
            try
            {
                string tokens = Path.Combine(temporary.FullName, "tokens");
                TokenizingOptions options = new() { Sources = sources.Read(parsed), Threads = DataVerb.ThreadCount(settings.Threads) };
                CorpusNotes.Warn(terminal, CorpusTokenizer.Run(mellum.Tokenizer, sources.Files(parsed), tokens, options, null, terminal.Cancel));
                using TokenDataset documents = TokenDataset.Open(tokens);
                return Run(terminal, settings, mellum, documents, string.Join(' ', sources.Paths(parsed)), window, parsed.GetValue(most));
            }
            finally
            {
                temporary.Delete(recursive: true);
            }
        });
        return command;
    }

    private static int Run(Terminal terminal, ModelSettings settings, Mellum mellum, TokenDataset set, string name, int window, long? most)
    {
        using Evaluator evaluator = new(mellum, terminal.Cancel);
        long start = Stopwatch.GetTimestamp(), given = 0;
        double total = Math.Min(set.TokenCount, most ?? long.MaxValue);
        using (ProgressLine line = new(terminal, "Evaluating:", "tokens"))
        {
            List<int> segments = [];
            for (long item = 0; item < set.Count && given < (most ?? long.MaxValue); item++)
            {
                int[] ids = set.Read(item);
                segments.Clear();
                set.SegmentLengths(item, segments);
                int first = 0;
                foreach (int count in segments)
                {
                    given += Add(evaluator, ids.AsSpan(first, count), window, most - given);
                    first += count;
                }
                line.Report(given, total);
            }
            evaluator.Flush();
        }
        EvaluationResult sums = evaluator.Sums;
        if (sums.Rows == 0)
            throw new InvalidInputException($"{name} has no document of two tokens; there is nothing to predict.");
        double rate = GenerationReport.Rate(sums.Rows, Stopwatch.GetElapsedTime(start));
        if (settings.Json)
            terminal.WriteJson(json =>
            {
                json.WriteString("model", settings.Folder);
                json.WriteString("input", name);
                json.WriteNumber("length", window);
                EvaluationReport.Write(json, sums, evaluator.Bytes);
                json.WriteNumber("tokens_per_second", rate);
            });
        else
            terminal.WriteTable(["", ""], EvaluationReport.Rows(sums, evaluator.Bytes).Append(["tokens per second", Quantity.Text($"{rate:F0}")]));
        return ExitCode.Success;
    }

    /// <summary>
    /// Adds a document in windows. The last token of one is the first of the next, so that every token but the document's
    /// first is predicted once.
    /// </summary>
    /// <returns>The tokens that are to be predicted.</returns>
    private static long Add(Evaluator evaluator, ReadOnlySpan<int> ids, int window, long? most)
    {
        long added = 0;
        for (int first = 0; first + 1 < ids.Length && added < (most ?? long.MaxValue); first += window)
        {
            int rows = (int)Math.Min(Math.Min(window, ids.Length - 1 - first), (most ?? long.MaxValue) - added);
            evaluator.Add(ids.Slice(first, rows + 1));
            added += rows;
        }
        return added;
    }
}
