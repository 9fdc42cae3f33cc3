using System.CommandLine;
using System.Globalization;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Cli;

/// <summary><c>mellum2 tokenize</c>: text to ids, or ids to text.</summary>
internal static class TokenizeVerb
{
    public static Command Create(Terminal terminal)
    {
        ModelOptions model = new();
        PromptOptions prompt = new();
        Option<int[]?> decode = NumberOptions.List("--decode", "Turns these ids into text instead.", "IDS");
        Option<bool> count = new("--count") { Description = "Prints the number of tokens alone." };
        Command command = new("tokenize", "Shows the tokens of a text, or the text of tokens. No weights are read.");
        prompt.AddTo(command);
        command.Options.Add(decode);
        command.Options.Add(count);
        model.AddTo(command);
        command.SetAction(parsed =>
        {
            ModelSettings settings = model.Read(parsed);
            string? text = prompt.Read(parsed, terminal);
            int[]? given = parsed.GetResult(decode) is null ? null : parsed.GetValue(decode);
            if (text is null == given is null)
                throw new UsageException("Either a text (--prompt TEXT, --prompt -, --prompt-file FILE) or --decode IDS is needed.");
            Tokenizer tokenizer = Load(settings.Folder);
            if (given is null)
                Encode(terminal, tokenizer, tokenizer.Encode(text, prompt.Encoding(parsed)), parsed.GetValue(count), settings.Json);
            else
                Decode(terminal, tokenizer, given, settings.Json);
            return ExitCode.Success;
        });
        return command;
    }

    /// <summary>The tokenizer of a checkpoint's folder.</summary>
    public static Tokenizer Load(string folder)
    {
        ModelLoading.RequireFolder(folder);
        string path = Path.Combine(folder, "tokenizer.json");
        return File.Exists(path) ? Tokenizer.Load(path) : throw new InvalidInputException($"The folder {folder} has no tokenizer.json.");
    }

    private static void Encode(Terminal terminal, Tokenizer tokenizer, int[] ids, bool countAlone, bool json)
    {
        if (json)
            terminal.WriteJson(writer =>
            {
                writer.WriteNumber("count", ids.Length);
                if (countAlone)
                    return;
                writer.WriteStartArray("ids");
                foreach (int id in ids)
                    writer.WriteNumberValue(id);
                writer.WriteEndArray();
                writer.WriteStartArray("pieces");
                foreach (int id in ids)
                    writer.WriteStringValue(tokenizer.Piece(id));
                writer.WriteEndArray();
            });
        else if (countAlone)
            terminal.WriteLine(ids.Length.ToString(CultureInfo.InvariantCulture));
        else
            terminal.WriteTable(
                ["id", "piece", "bytes"],
                ids.Select(id => (string[])[id.ToString(CultureInfo.InvariantCulture), tokenizer.Piece(id) ?? "", Convert.ToHexString(tokenizer.Bytes(id))]));
    }

    private static void Decode(Terminal terminal, Tokenizer tokenizer, int[] ids, bool json)
    {
        foreach (int id in ids)
            if (tokenizer.Piece(id) is null)
                throw new InvalidInputException($"No token has the id {id}; ids below {tokenizer.VocabularySize} are expected.");
        string text = tokenizer.Decode(ids);
        if (json)
            terminal.WriteJson(writer => writer.WriteString("text", text));
        else if (terminal.IsOutputTerminal)
            terminal.WriteLine(text);
        else
            terminal.Write(text);
    }
}
