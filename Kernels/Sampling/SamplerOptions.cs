using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>
/// How the next token is chosen. The steps run in the order of the properties' list here: repetition penalty, frequency
/// and presence penalty, temperature, top-k, top-p, min-p; each works on what the one before left.
/// </summary>
public sealed record SamplerOptions
{
    /// <summary>
    /// Every distinct token z of prompt and output: z·penalty where z &lt; 0, else z / penalty. 1 is off; above 0.
    /// </summary>
    public double RepetitionPenalty { get; init; } = 1;

    /// <summary>Taken from a logit once per occurrence in the output (not the prompt). 0 is off.</summary>
    public double FrequencyPenalty { get; init; }

    /// <summary>Taken once from the logit of every token of the output (not the prompt). 0 is off.</summary>
    public double PresencePenalty { get; init; }

    /// <summary>Logits are divided by it. 0 takes the largest logit (the lowest token on a tie) and skips the filters.</summary>
    public double Temperature { get; init; } = 1;

    /// <summary>Keeps tokens whose logit is at least the k-th largest, so all that tie with it. 0 is off.</summary>
    public int TopK { get; init; }

    /// <summary>
    /// In falling probability, keeps a token while the mass ranked before it is below this; the first stays. Of equal tokens
    /// at the cut the lowest stay. 1 is off.
    /// </summary>
    public double TopP { get; init; } = 1;

    /// <summary>Removes tokens whose probability is below this times the largest. 0 is off.</summary>
    public double MinP { get; init; }

    /// <summary>The most probable token, always.</summary>
    public static SamplerOptions Greedy { get; } = new() { Temperature = 0 };

    /// <summary>Whether the tokens seen so far change the logits.</summary>
    public bool HasPenalties => RepetitionPenalty != 1 || FrequencyPenalty != 0 || PresencePenalty != 0;

    /// <summary>Refuses values outside their ranges.</summary>
    /// <exception cref="InvalidInputException">A value is out of range; the message names it.</exception>
    public void Validate()
    {
        Require(RepetitionPenalty > 0 && double.IsFinite(RepetitionPenalty), "repetition penalty", RepetitionPenalty, "a finite number above 0");
        Require(double.IsFinite(FrequencyPenalty), "frequency penalty", FrequencyPenalty, "a finite number");
        Require(double.IsFinite(PresencePenalty), "presence penalty", PresencePenalty, "a finite number");
        Require(Temperature >= 0 && double.IsFinite(Temperature), "temperature", Temperature, "a finite number of at least 0");
        Require(TopK >= 0, "top-k", TopK, "a whole number of at least 0 (0 is off)");
        Require(TopP is >= 0 and <= 1, "top-p", TopP, "a number from 0 to 1 (1 is off)");
        Require(MinP is >= 0 and <= 1, "min-p", MinP, "a number from 0 to 1 (0 is off)");
    }

    private static void Require(bool holds, string name, double value, string expected)
    {
        if (!holds) throw new InvalidInputException(FormattableString.Invariant($"The sampler's {name} is {value}; expected {expected}."));
    }
}
