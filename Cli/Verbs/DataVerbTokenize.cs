using System.CommandLine;
using System.Diagnostics;
using Mellum2.Managed.Model;
using Mellum2.Managed.Training;

namespace Mellum2.Managed.Cli;

/// <summary><c>mellum2 data tokenize</c>: files to shards of documents.</summary>
internal static class DataVerbTokenize
{
    public static Command Create(Terminal terminal)
    {
        SourceArguments sources = new();
        Option<string> output = DataVerb.Output("The folder of the shards");
        Option<string> end = new("--end-token") { Description = "The token behind each document.", HelpName = "TOKEN", DefaultValueFactory = _ => new TokenizingOptions().EndToken };
        Option<string?> model = DataVerb.Model();
        Option<int> perShard = DataVerb.TokensPerShard(), threads = DataVerb.Threads();
        Option<bool> json = DataVerb.Json();
        Command command = new("tokenize", "Turns text files and JSON Lines into shards of tokens, one document after the other.");
        sources.AddTo(command);
        DataVerb.AddTo(command, output, end, perShard, model, threads, json);
        command.SetAction(parsed =>
        {
            TokenizingOptions options = new()
            {
                Sources = sources.Read(parsed),
                EndToken = parsed.GetValue(end)!,
                TokensPerShard = parsed.GetValue(perShard),
                Threads = DataVerb.ThreadCount(parsed.GetValue(threads)),
            };
            Tokenizer tokenizer = TokenizeVerb.Load(parsed.GetValue(model) ?? Mellum.DefaultFolder);
            IReadOnlyList<SourceFile> files = sources.Files(parsed);
            string target = parsed.GetValue(output)!;
            double total = files.Sum(file => file.ByteLength) / 1e6;
            long start = Stopwatch.GetTimestamp();
            CorpusReport report;
            using (ProgressLine line = new(terminal, "Tokenizing:", "MB"))
            {
                DirectProgress<long> progress = new(done => line.Report(done / 1e6, total));
                report = CorpusTokenizer.Run(tokenizer, files, target, options, progress, terminal.Cancel);
            }
            TimeSpan time = Stopwatch.GetElapsedTime(start);
            CorpusNotes.Warn(terminal, report);
            double rate = GenerationReport.Rate(report.Bytes / 1e6, time);
            if (parsed.GetValue(json))
                terminal.WriteJson(writer =>
                {
                    writer.WriteString("output", target);
                    CorpusNotes.Write(writer, report);
                    writer.WriteNumber("tokens", report.Tokens);
                    writer.WriteNumber("seconds", time.TotalSeconds);
                    writer.WriteNumber("megabytes_per_second", rate);
                });
            else
                terminal.Note(Quantity.Text(
                    $"{target} has {report.Documents:N0} documents, {report.Tokens:N0} tokens, from {Quantity.Bytes(report.Bytes)} ({(double)report.Bytes / report.Tokens:F2} bytes a token, {rate:F1} MB/s)."));
            return ExitCode.Success;
        });
        return command;
    }
}
