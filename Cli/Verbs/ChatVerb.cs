using System.CommandLine;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Cli;

/// <summary><c>mellum2 chat</c>: a conversation, a line a turn.</summary>
internal static class ChatVerb
{
    private const int StandardTokens = 1024;
    private const int StandardContext = 32768;

    public static Command Create(Terminal terminal)
    {
        ModelOptions model = new();
        DecodingOptions decoding = new(StandardTokens);
        Option<string?> system = new("--system") { Description = "The system prompt.", HelpName = "TEXT" };
        Option<string?> prompt = new("--prompt") { Description = "The first turn; more are read from standard input.", HelpName = "TEXT" };
        WordOption<bool?> thinking = new(
            "--thinking", "Whether the template is to ask for thinking; without it, the template's own default.", null, ("on", true), ("off", false));
        Command command = new("chat", "Talks with the model: each line of standard input is a turn. /reset begins a new conversation, /exit ends. What you type is ordinary text: control tokens in it mean nothing.");
        command.Options.Add(system);
        command.Options.Add(prompt);
        command.Options.Add(thinking);
        decoding.AddTo(command);
        model.AddTo(command);
        command.SetAction(parsed =>
        {
            ModelSettings settings = model.Read(parsed);
            ModelLoading.RequireFolder(settings.Folder);
            int positions = ModelConfiguration.Load(settings.Folder).MaximumPositions;
            int context = settings.Context ?? Math.Min(positions, StandardContext);
            GenerationOptions options = decoding.Read(parsed, context) with { LogProbabilities = settings.Json };
            using Mellum mellum = ModelLoading.Load(terminal, settings, context, options.Speculation);
            if (mellum.Tokenizer.TryGetId(BuiltInTemplate.EndOfTurn, out int endOfTurn))
                options = options with { StopIds = [endOfTurn] };
            using Conversation conversation = new(
                terminal, mellum, options, parsed.GetValue(system), thinking.Read(parsed), settings.Json);
            return Talk(terminal, conversation, parsed.GetValue(prompt));
        });
        return command;
    }

    private static int Talk(Terminal terminal, Conversation conversation, string? firstTurn)
    {
        LineReader lines = new(terminal.Input, terminal.Cancel);
        string? line = firstTurn;
        while (true)
        {
            if (line is null)
            {
                if (terminal.IsInputTerminal && terminal.IsErrorTerminal)
                    terminal.Error.Write("> ");
                line = lines.Read();
            }
            switch (line)
            {
                case null or "/exit":
                    return ExitCode.Success;
                case "/reset":
                    conversation.Reset();
                    terminal.Note("A new conversation begins.");
                    break;
                case "":
                    break;
                default:
                    if (Answer(terminal, conversation, line) == FinishReason.Cancelled)
                        return ExitCode.Cancelled;
                    break;
            }
            line = null;
        }
    }

    private static FinishReason Answer(Terminal terminal, Conversation conversation, string line)
    {
        try
        {
            return conversation.Answer(line);
        }
        catch (InvalidInputException e) when (terminal.IsInputTerminal)
        {
            // Somebody sits there who can say something else, or begin anew where the context is full.
            terminal.Note(e.Message);
            return FinishReason.StopToken;
        }
    }
}
