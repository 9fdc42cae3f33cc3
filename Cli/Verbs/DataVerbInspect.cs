using System.CommandLine;
using System.Globalization;
using Mellum2.Managed.Training;

namespace Mellum2.Managed.Cli;

/// <summary><c>mellum2 data inspect</c>: what a data set holds.</summary>
internal static class DataVerbInspect
{
    public static Command Create(Terminal terminal)
    {
        Option<string> input = DataVerb.Input("The data set.");
        Option<bool> verify = new("--verify") { Description = "Reads everything and verifies each checksum." };
        Option<bool> json = DataVerb.Json();
        Command command = new("inspect", "Tells what a data set holds.");
        DataVerb.AddTo(command, input, verify, json);
        command.SetAction(parsed =>
        {
            using TokenDataset set = TokenDataset.Open(parsed.GetValue(input)!);
            bool isVerified = parsed.GetValue(verify);
            if (isVerified)
                set.Verify(terminal.Cancel);
            double fill = set.IsPacked ? (double)set.TokenCount / ((double)set.Count * set.SequenceLength) : 1;
            if (parsed.GetValue(json))
                terminal.WriteJson(writer =>
                {
                    writer.WriteString("kind", set.IsPacked ? "samples" : "documents");
                    writer.WriteNumber("count", set.Count);
                    writer.WriteNumber("tokens", set.TokenCount);
                    writer.WriteNumber("segments", set.SegmentCount);
                    writer.WriteNumber("length", set.SequenceLength);
                    writer.WriteNumber("filled", fill);
                    writer.WriteNumber("vocabulary", set.Vocabulary.Size);
                    writer.WriteString("vocabulary_hash", set.Vocabulary.Hash.ToString("x16", CultureInfo.InvariantCulture));
                    writer.WriteNumber("end_id", set.EndId);
                    writer.WriteNumber("shards", set.ShardCount);
                    writer.WriteNumber("bytes", set.ByteLength);
                    writer.WriteBoolean("verified", isVerified);
                });
            else
                terminal.WriteTable(["", ""], Rows(set, fill, isVerified));
            return ExitCode.Success;
        });
        return command;
    }

    private static IEnumerable<IReadOnlyList<string>> Rows(TokenDataset set, double fill, bool isVerified)
    {
        yield return [set.IsPacked ? "samples" : "documents", Quantity.Count(set.Count)];
        yield return ["tokens", Quantity.Count(set.TokenCount)];
        if (set.IsPacked)
        {
            yield return ["tokens of a sample", Quantity.Count(set.SequenceLength)];
            yield return ["documents and parts", Quantity.Count(set.SegmentCount)];
            yield return ["filled", Quantity.Text($"{100 * fill:F2} %")];
        }
        yield return ["vocabulary", Quantity.Text($"{set.Vocabulary.Size} tokens, hash {set.Vocabulary.Hash:x16}, {set.Vocabulary.BytesPerId} bytes an id")];
        yield return ["end of a document", Quantity.Count(set.EndId)];
        yield return ["files", Quantity.Text($"{set.ShardCount}, {Quantity.Bytes(set.ByteLength)}")];
        yield return ["checksums", isVerified ? "all verified" : "header and boundaries verified; --verify reads all"];
    }
}
