using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>How a run's model is trained and which optimizer has which of its parameters, and from that the memory it takes.</summary>
internal static class RunMemory
{
    /// <summary>Precision, part and recomputation of a run.</summary>
    public static TrainingModelOptions ModelOptions(RunConfiguration run) => new()
    {
        Precision = run.Precision,
        Trained = run.Model.Trained,
        Recompute = run.Recompute,
        // What inference keeps: float32 of a float32 checkpoint, BF16 of all others.
        CacheFormat = run.Precision == TrainingPrecision.F32 ? DType.F32 : DType.BF16,
    };

    /// <summary>Which optimizer has which of the parameters that are trained.</summary>
    public static ParameterGroups Groups(RunConfiguration run, ModelConfiguration configuration, bool hasMtp)
    {
        ParameterGroups usual = ParameterGroups.For(configuration, hasMtp, run.Optimizer.SplitGateUp, run.Model.Trained);
        return run.Optimizer.Kind == OptimizerKind.Muon
            ? usual
            : new ParameterGroups([], [.. usual.Muon.SelectMany(group => group.Matrices).SelectMany(names => names).Select(name => new AdamWEntry(name, Decays: true)), .. usual.AdamW]);
    }

    /// <summary>The memory of a run with rows of so many tokens.</summary>
    public static MemoryPlan PlanOf(RunConfiguration run, RunModel model, int length) => MemoryPlan.For(
        model.Configuration, model.HasMtp, ModelOptions(run), run.Batch.Rows, length, Groups(run, model.Configuration, model.HasMtp));
}
