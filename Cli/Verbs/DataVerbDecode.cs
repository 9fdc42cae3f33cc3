using System.CommandLine;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;
using Mellum2.Managed.Training;

namespace Mellum2.Managed.Cli;

/// <summary><c>mellum2 data decode</c>: documents or samples of a data set as text.</summary>
internal static class DataVerbDecode
{
    public static Command Create(Terminal terminal)
    {
        Option<string> input = DataVerb.Input("The data set.");
        Option<int> item = NumberOptions.Whole("--item", "The first document or sample, counted from 0.", 0, 0);
        Option<int> count = NumberOptions.Whole("--count", "How many.", 1, 1);
        Option<string?> model = DataVerb.Model();
        Option<bool> json = new("--json") { Description = "Prints each as a JSON object on a line, with its tokens and the lengths of its documents." };
        Command command = new("decode", "Shows documents or samples as text, control tokens too.");
        DataVerb.AddTo(command, input, item, count, model, json);
        command.SetAction(parsed =>
        {
            Tokenizer tokenizer = TokenizeVerb.Load(parsed.GetValue(model) ?? Mellum.DefaultFolder);
            using TokenDataset set = DataVerb.Open(parsed.GetValue(input)!, tokenizer);
            long first = parsed.GetValue(item), end = Math.Min(set.Count, first + parsed.GetValue(count));
            if (first >= set.Count)
                throw new InvalidInputException($"{set.Path} has no item {first}; items below {set.Count} are expected.");
            for (long i = first; i < end; i++)
            {
                terminal.Cancel.ThrowIfCancellationRequested();
                int[] ids = set.Read(i);
                if (parsed.GetValue(json))
                    WriteJson(terminal, tokenizer, set, i, ids);
                else
                    terminal.WriteLine(tokenizer.Decode(ids));
            }
            return ExitCode.Success;
        });
        return command;
    }

    private static void WriteJson(Terminal terminal, Tokenizer tokenizer, TokenDataset set, long item, int[] ids) => terminal.WriteJson(writer =>
    {
        List<int> lengths = [];
        set.SegmentLengths(item, lengths);
        writer.WriteNumber("item", item);
        writer.WriteString("text", tokenizer.Decode(ids));
        writer.WriteStartArray("ids");
        foreach (int id in ids)
            writer.WriteNumberValue(id);
        writer.WriteEndArray();
        writer.WriteStartArray("segments");
        foreach (int length in lengths)
            writer.WriteNumberValue(length);
        writer.WriteEndArray();
    });
}
