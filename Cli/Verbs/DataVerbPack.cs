using System.CommandLine;
using Mellum2.Managed.Model;
using Mellum2.Managed.Training;

namespace Mellum2.Managed.Cli;

/// <summary><c>mellum2 data pack</c>: documents to samples of one length.</summary>
internal static class DataVerbPack
{
    public static Command Create(Terminal terminal)
    {
        Option<string> input = DataVerb.Input("Shards of documents, as data tokenize writes them."), output = DataVerb.Output("The folder of the samples");
        Option<int> length = NumberOptions.Whole("--length", "The tokens of a sample.", 8192, 2, DatasetPacker.MostSequenceLength);
        Option<int?> unique = NumberOptions.OptionalWhole("--least-unique", "Drops samples with fewer different tokens; without it, 82 for each 8,192 tokens of length.", 0);
        Option<double> rate = NumberOptions.Real("--fim-rate", "The share of documents that are rearranged for fill in the middle.", 0, 0, 1);
        Option<double> spm = NumberOptions.Real("--spm-rate", "The share of those that get the order suffix, prefix, middle.", 0.5, 0, 1);
        Option<ulong> seed = NumberOptions.Seed();
        seed.Description = "The seed of fill in the middle.";
        Option<string?> model = DataVerb.Model();
        Option<int> perShard = DataVerb.TokensPerShard(), threads = DataVerb.Threads();
        Option<bool> json = DataVerb.Json();
        Command command = new("pack", "Packs documents into samples of one length; only documents that are longer are cut.");
        DataVerb.AddTo(command, input, output, length, unique, rate, spm, seed, perShard, model, threads, json);
        command.SetAction(parsed =>
        {
            double fimRate = parsed.GetValue(rate);
            Tokenizer tokenizer = TokenizeVerb.Load(parsed.GetValue(model) ?? Mellum.DefaultFolder);
            // Without fill in the middle no text is read, and the vocabulary does not matter.
            using TokenDataset documents = fimRate > 0 ? DataVerb.Open(parsed.GetValue(input)!, tokenizer) : TokenDataset.Open(parsed.GetValue(input)!);
            PackingOptions options = new()
            {
                SequenceLength = parsed.GetValue(length),
                LeastUnique = parsed.GetValue(unique),
                FillInTheMiddle = fimRate > 0 ? new FillInTheMiddleTransform(tokenizer, fimRate, parsed.GetValue(spm), parsed.GetValue(seed)) : null,
                TokensPerShard = parsed.GetValue(perShard),
                Threads = DataVerb.ThreadCount(parsed.GetValue(threads)),
            };
            string target = parsed.GetValue(output)!;
            PackingReport report;
            using (ProgressLine line = new(terminal, "Packing:", "samples"))
            {
                DirectProgress<(long Done, long Total)> progress = new(value => line.Report(value.Done, value.Total));
                report = DatasetPacker.Run(documents, target, options, progress, terminal.Cancel);
            }
            double fill = (double)report.Tokens / ((double)report.Samples * options.SequenceLength);
            if (parsed.GetValue(json))
                terminal.WriteJson(writer =>
                {
                    writer.WriteString("output", target);
                    writer.WriteNumber("documents", report.Documents);
                    writer.WriteNumber("prefix_suffix_middle", report.PrefixSuffixMiddle);
                    writer.WriteNumber("suffix_prefix_middle", report.SuffixPrefixMiddle);
                    writer.WriteNumber("length", options.SequenceLength);
                    writer.WriteNumber("samples", report.Samples);
                    writer.WriteNumber("segments", report.Segments);
                    writer.WriteNumber("tokens", report.Tokens);
                    writer.WriteNumber("filled", fill);
                    writer.WriteNumber("dropped_samples", report.DroppedSamples);
                    writer.WriteNumber("dropped_tokens", report.DroppedTokens);
                });
            else
                terminal.Note(Quantity.Text(
                    $"{target} has {report.Samples:N0} samples of {options.SequenceLength} tokens, {100 * fill:F2} % filled, from {report.Documents:N0} documents ({report.PrefixSuffixMiddle + report.SuffixPrefixMiddle:N0} rearranged); {report.DroppedSamples:N0} samples with too few different tokens were dropped."));
            return ExitCode.Success;
        });
        return command;
    }
}
