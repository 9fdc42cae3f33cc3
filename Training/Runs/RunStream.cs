using System.Globalization;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Training;

/// <summary>The stream of a run's samples.</summary>
internal static class RunStream
{
    /// <summary>Opens the stream at its beginning or where a checkpoint left it.</summary>
    /// <exception cref="InvalidInputException">The data is not what the checkpoint was trained on.</exception>
    public static SampleStream Open(RunConfiguration run, IReadOnlyList<TokenDataset> sources, StreamOptions options, TrainingState? state)
    {
        MixturePlan plan = Plan(run, sources, run.Steps);
        if (state is null)
            return new SampleStream(sources, plan, options);
        StreamState position = state.Stream;
        // A run with more steps than before: its stream is the same as far as the old one went.
        if (state.Configuration.TryGetValue("steps", out string? text) && long.TryParse(text, CultureInfo.InvariantCulture, out long before) && before != run.Steps)
        {
            ulong Fingerprint(MixturePlan of)
            {
                using SampleStream stream = new(sources, of, options with { Prefetch = 0 });
                return stream.State.Fingerprint;
            }
            if (position.Fingerprint == Fingerprint(Plan(run, sources, before)))
                position = position with { Fingerprint = Fingerprint(plan) };
        }
        return new SampleStream(sources, plan, options, position);
    }

    /// <summary>The share of each source in all samples of a run.</summary>
    public static double[] Shares(RunConfiguration run, IReadOnlyList<TokenDataset> sources)
    {
        MixturePlan plan = Plan(run, sources, run.Steps);
        double[] shares = new double[sources.Count];
        foreach (MixturePhase phase in plan.Phases)
            for (int i = 0; i < shares.Length; i++)
                shares[i] += phase.Weights[i] / phase.Weights.Sum() * phase.Samples / plan.Samples;
        return shares;
    }

    private static MixturePlan Plan(RunConfiguration run, IReadOnlyList<TokenDataset> sources, long steps)
    {
        double[] usual = [.. run.Data.Sources.Select((source, index) => source.Weight ?? sources[index].Count)];
        long samplesPerStep = (long)run.Batch.Rows * run.Batch.Accumulation;
        MixturePhase Phase(PhaseSettings phase) => new(
            checked(phase.Steps * samplesPerStep),
            phase.Weights is { } weights ? [.. run.Data.Sources.Select(source => weights.GetValueOrDefault(source.Name))] : usual);
        return new MixturePlan(run.Phases.Count > 0 ? [.. run.Phases.Select(Phase)] : [Phase(new PhaseSettings(steps))]);
    }
}
