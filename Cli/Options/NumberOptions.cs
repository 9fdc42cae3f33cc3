using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Mellum2.Managed.Cli;

/// <summary>Options that take numbers: written the same way in every culture, refused by name when out of range.</summary>
internal static class NumberOptions
{
    public static Option<int> Whole(string name, string description, int standard, int least, int most = int.MaxValue) => new(name)
    {
        Description = description,
        HelpName = "N",
        DefaultValueFactory = _ => standard,
        CustomParser = result => Parse(result, name, least, most) ?? standard,
    };

    public static Option<int?> OptionalWhole(string name, string description, int least, int most = int.MaxValue) => new(name)
    {
        Description = description,
        HelpName = "N",
        CustomParser = result => Parse(result, name, least, most),
    };

    public static Option<double> Real(string name, string description, double standard, double least, double most = double.MaxValue) => new(name)
    {
        Description = description,
        HelpName = "X",
        DefaultValueFactory = _ => standard,
        CustomParser = result =>
        {
            string text = result.Tokens[0].Value;
            if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && value >= least && value <= most)
                return value;
            string range = least == double.MinValue ? "that is finite"
                : least == double.Epsilon ? "above 0"
                : most == double.MaxValue ? Quantity.Text($"of at least {least}")
                : Quantity.Text($"from {least} to {most}");
            result.AddError($"{name} must be a number {range}, not \"{text}\".");
            return standard;
        },
    };

    public static Option<ulong> Seed() => new("--seed")
    {
        Description = "The seed of all random choices; the same seed gives the same text.",
        HelpName = "N",
        DefaultValueFactory = _ => 0UL,
        CustomParser = result =>
        {
            string text = result.Tokens[0].Value;
            if (ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong value))
                return value;
            result.AddError($"--seed must be a whole number from 0 to {ulong.MaxValue}, not \"{text}\".");
            return 0UL;
        },
    };

    /// <summary>Whole numbers with commas or spaces between them.</summary>
    public static Option<int[]?> List(string name, string description, string helpName) => new(name)
    {
        Description = description,
        HelpName = helpName,
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = true,
        CustomParser = result =>
        {
            List<int> values = [];
            foreach (string text in result.Tokens.SelectMany(token => token.Value.Split([',', ' ', '\n'], StringSplitOptions.RemoveEmptyEntries)))
            {
                if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value))
                    values.Add(value);
                else
                    result.AddError($"{name} must be whole numbers of at least 0 with commas between them, not \"{text}\".");
            }
            return [.. values];
        },
    };

    private static int? Parse(ArgumentResult result, string name, int least, int most)
    {
        string text = result.Tokens[0].Value;
        if (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int value) && value >= least && value <= most)
            return value;
        string range = most == int.MaxValue ? Quantity.Text($"of at least {least}") : Quantity.Text($"from {least} to {most}");
        result.AddError($"{name} must be a whole number {range}, not \"{text}\".");
        return null;
    }
}
