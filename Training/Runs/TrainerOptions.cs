namespace Mellum2.Managed.Training;

/// <summary>What a run does not depend on.</summary>
public sealed record TrainerOptions
{
    /// <summary>Follows the run.</summary>
    public ITrainingObserver? Observer { get; init; }

    /// <summary>What the machine reaches at most, for <see cref="StepMetrics.PeakShare"/>; null if that is not known.</summary>
    public double? PeakFlopsPerSecond { get; init; }

    /// <summary>The memory that the run may take; a run that takes more is refused before it takes any. Null: it is not asked.</summary>
    public long? AvailableBytes { get; init; }

    /// <summary>Where tokenised data is kept, for runs that share it; null for the run's own folder.</summary>
    public string? DataCache { get; init; }
}
