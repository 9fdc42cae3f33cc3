using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Training;

/// <summary>A stretch of training with one mixture of sources.</summary>
/// <param name="Samples">How many samples it has.</param>
/// <param name="Weights">The share of each source; they need not add up to 1. Zero leaves a source out.</param>
public sealed record MixturePhase(long Samples, IReadOnlyList<double> Weights);

/// <summary>The phases of a training, one after the other, over the same sources.</summary>
public sealed class MixturePlan
{
    private readonly double[][] _shares;

    /// <summary>Creates a plan.</summary>
    /// <param name="phases">The phases, all with as many weights.</param>
    /// <exception cref="InvalidInputException">A weight is not finite or below zero, all are zero, their number differs, or a phase has no sample.</exception>
    public MixturePlan(IReadOnlyList<MixturePhase> phases)
    {
        if (phases.Count == 0)
            throw new InvalidInputException("A mixture has no phase; at least one is expected.");
        Phases = [.. phases];
        Sources = phases[0].Weights.Count;
        for (int i = 0; i < phases.Count; i++)
        {
            MixturePhase phase = phases[i];
            if (phase.Samples < 1 || phase.Weights.Count != Sources)
                throw new InvalidInputException($"Phase {i} has {phase.Samples} samples and {phase.Weights.Count} weights; at least one sample and {Sources} weights are expected.");
            if (!phase.Weights.All(weight => weight >= 0 && double.IsFinite(weight)) || !(phase.Weights.Sum() is > 0 and < double.PositiveInfinity))
                throw new InvalidInputException($"The weights of phase {i} must be numbers of at least 0, and not all 0.");
            Samples = checked(Samples + phase.Samples);
        }
        _shares = [.. phases.Select(phase => phase.Weights.Select(weight => weight / phase.Weights.Sum()).ToArray())];
    }

    /// <summary>The phases.</summary>
    public IReadOnlyList<MixturePhase> Phases { get; }

    /// <summary>How many sources there are.</summary>
    public int Sources { get; }

    /// <summary>The samples of all phases.</summary>
    public long Samples { get; }

    /// <summary>The phase of a sample, and how many of its samples come before that one.</summary>
    internal (int Phase, long Local) Locate(long sample)
    {
        int phase = 0;
        while (sample >= Phases[phase].Samples)
            sample -= Phases[phase++].Samples;
        return (phase, sample);
    }

    /// <summary>
    /// The source of the next sample: the one that is furthest behind its share of the phase so far, of equal ones the first. So after any
    /// number of samples no source is more than one or two away from its share.
    /// </summary>
    /// <param name="phase">The phase.</param>
    /// <param name="drawn">What each source has given in it.</param>
    internal int Choose(int phase, ReadOnlySpan<long> drawn)
    {
        long next = 1;
        foreach (long count in drawn)
            next += count;
        int best = -1;
        double furthest = 0;
        for (int source = 0; source < drawn.Length; source++)
        {
            double share = _shares[phase][source], behind = share * next - drawn[source];
            if (share > 0 && (best < 0 || behind > furthest))
                (best, furthest) = (source, behind);
        }
        return best;
    }
}
