using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Training;

/// <summary>
/// A learning rate as a function of n, the count of steps: Megatron-LM's values at n. With warm-up the value at 0 is 0, so a
/// trainer takes its first step with n = 1 and its last with n = total.
/// </summary>
public abstract record LearningRateSchedule
{
    private protected LearningRateSchedule(double peak, long warmUp)
    {
        if (!(peak >= 0) || warmUp < 0)
            throw new InvalidInputException($"A learning rate of {peak} after {warmUp} steps of warm-up is no schedule: neither may be negative.");
        (Peak, WarmUp) = (peak, warmUp);
    }

    /// <summary>The largest value.</summary>
    public double Peak { get; }

    /// <summary>The steps in which the rate grows linearly from 0 to <see cref="Peak"/>.</summary>
    public long WarmUp { get; }

    /// <summary>The learning rate at <paramref name="n"/> ≥ 0.</summary>
    public double At(long n) => n < WarmUp ? Peak * n / WarmUp : AfterWarmUp(n);

    /// <summary>The value for n ≥ <see cref="WarmUp"/>.</summary>
    private protected abstract double AfterWarmUp(long n);
}

/// <summary>Warm-up, then <see cref="LearningRateSchedule.Peak"/> for good.</summary>
public sealed record ConstantSchedule : LearningRateSchedule
{
    /// <summary>Creates the schedule.</summary>
    public ConstantSchedule(double peak, long warmUp) : base(peak, warmUp) { }

    private protected override double AfterWarmUp(long n) => Peak;
}

/// <summary>Warm-up, hold, and a linear decay to <see cref="Minimum"/> (0 for Mellum 2) over the last <see cref="Decay"/> steps.</summary>
public sealed record WarmUpHoldDecaySchedule : LearningRateSchedule
{
    /// <summary>Creates the schedule.</summary>
    /// <exception cref="InvalidInputException">Warm-up and decay do not fit into the total.</exception>
    public WarmUpHoldDecaySchedule(double peak, long warmUp, long decay, long total, double minimum = 0) : base(peak, warmUp)
    {
        if (decay < 0 || warmUp > total - decay)
            throw new InvalidInputException($"{warmUp} steps of warm-up and {decay} of decay do not fit into {total} steps.");
        (Decay, Total, Minimum) = (decay, total, minimum);
    }

    /// <summary>The steps of the decay.</summary>
    public long Decay { get; }

    /// <summary>All steps.</summary>
    public long Total { get; }

    /// <summary>The value at the end and beyond.</summary>
    public double Minimum { get; }

    private protected override double AfterWarmUp(long n) =>
        n >= Total ? Minimum
        : n <= Total - Decay ? Peak
        : Minimum + (Peak - Minimum) * (1 - (double)(n - (Total - Decay)) / Decay);
}

/// <summary>Warm-up, then half a cosine from <see cref="LearningRateSchedule.Peak"/> to <see cref="Minimum"/>.</summary>
public sealed record CosineSchedule : LearningRateSchedule
{
    /// <summary>Creates the schedule.</summary>
    /// <exception cref="InvalidInputException">The warm-up is longer than the total.</exception>
    public CosineSchedule(double peak, long warmUp, long total, double minimum = 0) : base(peak, warmUp)
    {
        if (warmUp > total)
            throw new InvalidInputException($"{warmUp} steps of warm-up do not fit into {total} steps.");
        (Total, Minimum) = (total, minimum);
    }

    /// <summary>All steps.</summary>
    public long Total { get; }

    /// <summary>The value at the end and beyond.</summary>
    public double Minimum { get; }

    private protected override double AfterWarmUp(long n) =>
        n >= Total ? Minimum : Minimum + (Peak - Minimum) * 0.5 * (1 + Math.Cos(Math.PI * (n - WarmUp) / (Total - WarmUp)));
}
