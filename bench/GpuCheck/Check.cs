namespace Mellum2.Managed.GpuCheck;

/// <summary>How a check ended.</summary>
public enum Verdict
{
    /// <summary>As it should.</summary>
    Passed,

    /// <summary>Something is wrong with the device, its driver or a kernel.</summary>
    Failed,

    /// <summary>It was not run, for a reason.</summary>
    Skipped,
}

/// <summary>A number that was measured.</summary>
/// <param name="What">What it is the number of.</param>
/// <param name="Value">The number.</param>
/// <param name="Unit">Its unit, <c>GB/s</c> for example.</param>
/// <param name="Predicted">What the roofline of the device's data sheet gives, in the same unit; null where there is none.</param>
public sealed record Measurement(string What, double Value, string Unit, double? Predicted = null);

/// <summary>What a check found.</summary>
/// <param name="Verdict">How it ended.</param>
/// <param name="Text">What was seen, why it failed or why it was skipped.</param>
public sealed record Outcome(Verdict Verdict, string Text)
{
    /// <summary>The numbers of a bench.</summary>
    public IReadOnlyList<Measurement> Measurements { get; init; } = [];

    /// <summary>All is well.</summary>
    public static Outcome Passed(string text) => new(Verdict.Passed, text);

    /// <summary>Something is not as it should be.</summary>
    public static Outcome Failed(string text) => new(Verdict.Failed, text);

    /// <summary>Not run.</summary>
    public static Outcome Skipped(string text) => new(Verdict.Skipped, text);
}

/// <summary>One line of the report.</summary>
/// <param name="Section">The heading that it stands under.</param>
/// <param name="Name">What is checked.</param>
/// <param name="Run">The check; what it throws is its failure.</param>
public sealed record Check(string Section, string Name, Func<CheckedDevice, Outcome> Run);

/// <summary>A check that was run.</summary>
/// <param name="Check">The check.</param>
/// <param name="Outcome">What it found.</param>
/// <param name="Seconds">How long it took.</param>
public sealed record CheckResult(Check Check, Outcome Outcome, double Seconds);
