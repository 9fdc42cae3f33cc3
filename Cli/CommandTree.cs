using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using System.Reflection;

namespace Mellum2.Managed.Cli;

/// <summary>The verbs under their root, and what is the same for all: help with examples, version, errors of usage.</summary>
internal static class CommandTree
{
    private const string VerboseName = "--verbose";

    /// <summary>No response files: a prompt may begin with @.</summary>
    public static ParserConfiguration Parsing { get; } = new() { ResponseFileTokenReplacer = null, EnablePosixBundling = false };

    public static RootCommand Create(Terminal terminal)
    {
        RootCommand root = new("Runs and trains JetBrains Mellum 2 in pure C#.")
        {
            GenerateVerb.Create(terminal),
            ChatVerb.Create(terminal),
            TokenizeVerb.Create(terminal),
            InspectVerb.Create(terminal),
            ConvertVerb.Create(terminal),
            DataVerb.Create(terminal),
            TokenizerVerb.Create(terminal),
            TrainVerb.Create(terminal),
            EvalVerb.Create(terminal),
            PlotVerb.Create(terminal),
            TraceVerb.Create(terminal),
            BenchVerb.Create(terminal),
            DoctorVerb.Create(terminal),
        };
        root.Options.Add(new Option<bool>(VerboseName) { Description = "Shows the stack of an error.", Recursive = true });
        foreach (Option option in root.Options)
        {
            if (option is HelpOption help)
                help.Action = new HelpWithExamples((HelpAction)help.Action!);
            else if (option is VersionOption version)
                version.Action = new VersionAction();
        }
        return root;
    }

    public static bool IsVerbose(ParseResult parsed) => parsed.GetValue<bool>(VerboseName);

    public static int Invoke(ParseResult parsed, Terminal terminal)
    {
        using StreamWriter output = terminal.OpenWriter();
        bool asksForHelp = parsed.Action is HelpWithExamples or VersionAction;
        if (!asksForHelp && parsed.Errors.Count > 0)
        {
            bool isBare = parsed.CommandResult.Command is RootCommand && parsed.Tokens.Count == 0;
            string verb = parsed.CommandResult.Command is RootCommand ? "" : NameOf(parsed.CommandResult) + " ";
            foreach (string message in parsed.Errors.Select(error => error.Message).Distinct(StringComparer.Ordinal))
                terminal.Note(isBare ? "A verb is needed: generate, chat, tokenize, inspect, convert, data, tokenizer, train, eval, plot, trace, bench or doctor." : message);
            terminal.Note($"mellum2 {verb}--help lists what there is.");
            return ExitCode.Usage;
        }
        return parsed.Invoke(new InvocationConfiguration
        {
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = null,
            Output = output,
            Error = terminal.Error,
        });
    }

    /// <summary>The words of a verb: <c>data pack</c>.</summary>
    private static string NameOf(CommandResult result) =>
        result.Parent is CommandResult { Command: not RootCommand } parent ? $"{NameOf(parent)} {result.Command.Name}" : result.Command.Name;

    /// <summary>The usual help and, below it, the verb's examples.</summary>
    private sealed class HelpWithExamples(HelpAction help) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            int code = help.Invoke(parseResult);
            TextWriter output = parseResult.InvocationConfiguration.Output;
            output.WriteLine("Examples:");
            foreach (string example in Examples.Of(NameOf(parseResult.CommandResult)))
                output.WriteLine($"  {example}");
            return code;
        }
    }

    private sealed class VersionAction : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            string? version = typeof(CommandTree).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion;
            parseResult.InvocationConfiguration.Output.WriteLine($"mellum2 {version}");
            return ExitCode.Success;
        }
    }
}
