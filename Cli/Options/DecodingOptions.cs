using System.CommandLine;
using System.Globalization;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Cli;

/// <summary>How tokens are chosen, when they end, and how they are drafted: the same options in every verb that generates.</summary>
internal sealed class DecodingOptions
{
    private readonly Option<int> _maxTokens;

    private readonly Option<double> _temperature = NumberOptions.Real(
        "--temperature", "Divides the logits; 0 takes the most probable token.", 0, 0);

    private readonly Option<int> _topK = NumberOptions.Whole("--top-k", "Keeps the K most probable tokens; 0 is off.", 0, 0);

    private readonly Option<double> _topP = NumberOptions.Real(
        "--top-p", "Keeps the most probable tokens up to this probability; 1 is off.", 1, 0, 1);

    private readonly Option<double> _minP = NumberOptions.Real(
        "--min-p", "Removes tokens below this share of the largest probability; 0 is off.", 0, 0, 1);

    private readonly Option<double> _repetition = NumberOptions.Real(
        "--repetition-penalty", "Weakens tokens that occur in prompt or output; 1 is off.", 1, double.Epsilon);

    private readonly Option<double> _frequency = NumberOptions.Real(
        "--frequency-penalty", "Taken from a logit for each occurrence in the output; 0 is off.", 0, double.MinValue);

    private readonly Option<double> _presence = NumberOptions.Real(
        "--presence-penalty", "Taken from the logit of every token of the output; 0 is off.", 0, double.MinValue);

    private readonly Option<ulong> _seed = NumberOptions.Seed();

    private readonly Option<string[]> _stop = new("--stop")
    {
        Description = "Texts that end the output; they are not part of it.",
        HelpName = "TEXT",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = true,
    };

    private readonly SpeculationChoice _speculation = new();

    public DecodingOptions(int maxTokens) =>
        _maxTokens = NumberOptions.Whole("--max-tokens", "The most tokens to generate.", maxTokens, 1);

    /// <summary>Gives the options to a verb.</summary>
    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])
            [_maxTokens, _temperature, _topK, _topP, _minP, _repetition, _frequency, _presence, _seed, _stop])
            command.Options.Add(option);
        _speculation.AddTo(command);
    }

    public GenerationOptions Read(ParseResult parsed, int? context) => new()
    {
        MaxTokens = parsed.GetValue(_maxTokens),
        Sampling = new SamplerOptions
        {
            Temperature = parsed.GetValue(_temperature),
            TopK = parsed.GetValue(_topK),
            TopP = parsed.GetValue(_topP),
            MinP = parsed.GetValue(_minP),
            RepetitionPenalty = parsed.GetValue(_repetition),
            FrequencyPenalty = parsed.GetValue(_frequency),
            PresencePenalty = parsed.GetValue(_presence),
        },
        Seed = parsed.GetValue(_seed),
        StopStrings = parsed.GetValue(_stop) ?? [],
        Speculation = _speculation.Read(parsed),
        Context = context,
    };
}

/// <summary>The options <c>--speculate</c> and <c>--draft</c>.</summary>
internal sealed class SpeculationChoice
{
    private const string Automatic = "auto";
    private const string Off = "off";

    private readonly Option<string?> _speculate = new("--speculate")
    {
        Description = $"Tokens to draft per pass, 1 to {SpeculationOptions.MostDrafts}; auto follows the acceptance, off decodes plainly.",
        HelpName = "K|auto|off",
        DefaultValueFactory = _ => Automatic,
        CustomParser = result =>
        {
            string text = result.Tokens[0].Value;
            if (text is not (Automatic or Off) && Drafts(text) is null)
                result.AddError($"--speculate must be a whole number from 1 to {SpeculationOptions.MostDrafts}, auto or off, not \"{text}\".");
            return text;
        },
    };

    private readonly WordOption<DraftKind> _draft = new(
        "--draft", "Who drafts: the MTP head, prompt look-up, or whichever of them can pay.", "auto",
        ("auto", DraftKind.Auto), ("mtp", DraftKind.Mtp), ("lookup", DraftKind.Lookup));

    /// <summary>Gives the options to a verb.</summary>
    public void AddTo(Command command)
    {
        command.Options.Add(_speculate);
        command.Options.Add(_draft);
    }

    public SpeculationOptions Read(ParseResult parsed)
    {
        string text = parsed.GetValue(_speculate) ?? Automatic;
        return text == Off ? SpeculationOptions.Off : new SpeculationOptions(_draft.Read(parsed), Drafts(text));
    }

    private static int? Drafts(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int drafts) && drafts is >= 1 and <= SpeculationOptions.MostDrafts
            ? drafts
            : null;
}
