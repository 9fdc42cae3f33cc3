using System.CommandLine;
using System.Text;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Cli;

/// <summary><c>mellum2 generate</c>: continues a prompt, or fills in what is missing at a place of a file.</summary>
internal static class GenerateVerb
{
    private const int StandardTokens = 256;

    public static Command Create(Terminal terminal)
    {
        ModelOptions model = new();
        DecodingOptions decoding = new(StandardTokens);
        PromptOptions prompt = new();
        FillOptions fill = new();
        Option<bool> logProbabilities = new("--log-probs")
        {
            Description = "Prints each token's id, log-probability and text to standard error; --json always has the numbers.",
        };
        Command command = new("generate", "Continues a prompt, or fills in the middle of a file. The text of prompts and files is ordinary text: control tokens in it mean nothing unless --special says so.");
        prompt.AddTo(command);
        fill.AddTo(command);
        decoding.AddTo(command);
        command.Options.Add(logProbabilities);
        model.AddTo(command);
        command.SetAction(parsed =>
        {
            ModelSettings settings = model.Read(parsed);
            FillInTheMiddle? middle = fill.Read(parsed);
            string? text = prompt.Read(parsed, terminal);
            if (middle is not null && text is not null)
                throw new UsageException("A prompt and the options of filling in the middle exclude each other.");
            if (middle is null && text is null)
                throw new UsageException("--prompt TEXT, --prompt -, --prompt-file FILE or --file FILE --line L --column C is needed.");
            bool wantsLogProbabilities = parsed.GetValue(logProbabilities);
            GenerationOptions options = decoding.Read(parsed, settings.Context) with { LogProbabilities = settings.Json || wantsLogProbabilities };
            long bytes = middle is null ? Encoding.UTF8.GetByteCount(text!) : middle.ByteCount;
            // A token has at least one byte, so this is a bound that needs no tokenizer.
            long context = settings.Context ?? bytes + options.MaxTokens + 1;
            using Mellum mellum = ModelLoading.Load(terminal, settings, context, options.Speculation);
            int[] ids = middle is null ? mellum.Tokenizer.Encode(text, prompt.Encoding(parsed)) : middle.Encode(mellum.Tokenizer);
            if (middle is not null)
                options = options with { StopIds = FillInTheMiddle.StopIds(mellum.Tokenizer) };
            return Run(terminal, settings, mellum, options, ids, wantsLogProbabilities);
        });
        return command;
    }

    private static int Run(
        Terminal terminal, ModelSettings settings, Mellum mellum, GenerationOptions options, int[] ids, bool wantsLogProbabilities)
    {
        if (ids.Length == 0)
            throw new InvalidInputException("The prompt is empty; at least one token is needed to continue from.");
        using TextGenerator generator = mellum.CreateGenerator(options, ids.Length);
        using MemoryStream text = new();
        using ProgressLine progress = new(terminal, "Reading the prompt:", "tokens");
        using ProgressLine writing = new(terminal, "Writing:", "tokens");
        // Where the text itself moves on the terminal, a line beside it would only disturb.
        bool isTextSeen = terminal.IsOutputTerminal && !settings.Json;
        GenerationResult result = generator.Run(
            ids,
            utf8 =>
            {
                progress.Dispose();
                text.Write(utf8);
                if (!settings.Json)
                    terminal.Write(utf8);
                if (!isTextSeen)
                    writing.Report(generator.Decoder.Tokens.Length - ids.Length, options.MaxTokens);
            },
            new CountProgress(progress, ids.Length),
            terminal.Cancel);
        progress.Dispose();
        writing.Dispose();
        string? drafter = generator.Decoder.DrafterName;
        if (settings.Json)
            terminal.WriteJson(json =>
            {
                json.WriteString("model", settings.Folder);
                json.WriteString("kernels", mellum.Model.Context.Kernels.Description);
                json.WriteStartArray("prompt_ids");
                foreach (int id in ids)
                    json.WriteNumberValue(id);
                json.WriteEndArray();
                GenerationReport.Write(json, result, Encoding.UTF8.GetString(text.GetBuffer(), 0, (int)text.Length), drafter);
            });
        else if (terminal.IsOutputTerminal)
            terminal.WriteLine("");
        if (wantsLogProbabilities && !settings.Json)
            foreach (GeneratedToken token in result.Tokens)
                terminal.Note(Quantity.Text($"{token.Id}\t{token.LogProbability:R}\t{mellum.Tokenizer.Piece(token.Id)}"));
        terminal.Note(GenerationReport.Summary(result, drafter));
        return result.Reason == FinishReason.Cancelled ? ExitCode.Cancelled : ExitCode.Success;
    }
}
