namespace Mellum2.Managed.Training;

/// <summary>What a run does not depend on.</summary>
public sealed record TrainerOptions
{
    /// <summary>Follows the run.</summary>
    public ITrainingObserver? Observer { get; init; }

    /// <summary>What the machine reaches at most, for <see cref="StepMetrics.PeakShare"/>; null if that is not known.</summary>
    public double? PeakFlopsPerSecond { get; init; }

    /// <summary>The bytes of memory that there are: a run that takes more does not begin. Null for what the runtime says.</summary>
    public long? AvailableMemory { get; init; }

    /// <summary>Where tokenised data is kept, for runs that share it; null for the run's own folder.</summary>
    public string? DataCache { get; init; }
}
