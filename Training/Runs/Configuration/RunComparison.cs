using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Training;

/// <summary>Whether a run can go on with a configuration: nothing that changes its results may differ.</summary>
internal static class RunComparison
{
    // Paths may move: what is behind them is compared by its content.
    private static readonly string[] s_free = ["threads", "prefetch", "tokenizer", "evaluation.every", "evaluation.at_start"];

    /// <summary>Refuses a configuration with which the run would not have come to where it is.</summary>
    /// <param name="before">The values of the checkpoint.</param>
    /// <param name="now">The run that is asked for.</param>
    /// <param name="checkpoint">What holds the values of before, for the message.</param>
    /// <param name="free">Keys that may differ beside those that always may.</param>
    /// <exception cref="InvalidInputException">Names the first key that differs.</exception>
    public static void RequireSame(IReadOnlyDictionary<string, string> before, RunConfiguration now, string checkpoint, IEnumerable<string>? free = null)
    {
        HashSet<string> others = [.. free ?? []];
        bool mayGrow = now.Schedule.Kind == ScheduleKind.Constant && now.Phases.Count == 0;
        SortedDictionary<string, string> values = now.Flatten();
        // Other defaults follow from the steps: they are the key to name.
        foreach (string key in before.Keys.Union(values.Keys).OrderBy(key => key != "steps").ThenBy(key => key, StringComparer.Ordinal))
        {
            if (IsFree(key) || others.Contains(key) || (mayGrow && key == "steps"))
                continue;
            string was = before.GetValueOrDefault(key, "absent"), wanted = values.GetValueOrDefault(key, "absent");
            if (was != wanted)
            {
                throw new InvalidInputException(
                    $"{checkpoint} was written with {key} = {was}, so that the run cannot go on with {key} = {wanted}; only threads, prefetch, evaluation.every, checkpoints, paths of data and the steps of a constant schedule may change.");
            }
        }
    }

    /// <summary>The values that may not change, by their paths; where files lie is not among them.</summary>
    public static IReadOnlyDictionary<string, string> Kept(RunConfiguration run) =>
        run.Flatten().Where(pair => !IsFree(pair.Key)).ToDictionary(StringComparer.Ordinal);

    private static bool IsFree(string key) =>
        s_free.Contains(key) || key.StartsWith("checkpoints.", StringComparison.Ordinal) || key == "model.from"
        || (key.StartsWith("data.", StringComparison.Ordinal) && key.Contains(".path.", StringComparison.Ordinal));
}
