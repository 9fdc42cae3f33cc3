using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;
using Mellum2.Managed.Training;

namespace Mellum2.Managed.Cli;

/// <summary>What a run is going to do, in a block of lines before it begins.</summary>
internal static class PlanReport
{
    /// <summary>The lines.</summary>
    /// <param name="plan">What the run is going to do.</param>
    /// <param name="peak">What the machine reaches at most, in operations a second.</param>
    public static IEnumerable<string> Lines(TrainingPlan plan, double peak)
    {
        RunConfiguration run = plan.Configuration;
        ModelConfiguration model = plan.Model;
        string from = plan.FirstStep > 1 ? Quantity.Text($" from step {plan.FirstStep}") : "";
        yield return Quantity.Text($"Training in {plan.Folder}: {plan.Steps:N0} steps{from} of {plan.TokensPerStep:N0} tokens ({run.Batch.Rows} rows of {run.Data.Length} tokens{Accumulated(run)})");
        yield return Quantity.Text($"  machine    {plan.Kernels}; FP32 peak {peak / 1e9:F0} GFLOP/s");
        string trained = plan.TrainedParameters == plan.Parameters ? "" : Quantity.Text($", {plan.TrainedParameters:N0} of them trained");
        yield return Quantity.Text($"  model      {plan.Parameters:N0} parameters{trained}, {plan.ActiveParameters:N0} active per token; {Shape(model, plan.HasMtp)}");
        foreach (PlannedSource source in plan.Sources)
            yield return Quantity.Text($"  data       {source.Name}: {source.Samples:N0} samples, {source.Tokens:N0} tokens, {source.Epochs:F2} epochs");
        yield return plan.ValidationSamples > 0 ? Quantity.Text($"  held out   {plan.ValidationSamples:N0} samples") : "  held out   nothing";
        yield return Quantity.Text($"  optimizer  {run.Optimizer.Kind}, learning rate {run.Optimizer.LearningRate:G4} ({Schedule(run)}); products in {run.Precision}");
        yield return $"  memory     {Memory(plan.Memory)}; {Quantity.Bytes(MemoryCheck.AvailableBytes())} more are available";
        double flops = new TrainingCost(model, plan.HasMtp, run.Model.Trained).FlopsOf(run.Data.Length ?? 1) * run.Batch.Rows * run.Batch.Accumulation;
        yield return Quantity.Text($"  a step     at most {flops / 1e9:F1} GFLOP; at the peak that would take {flops / peak:F3} s");
    }

    private static string Memory(MemoryPlan plan)
    {
        List<(string Name, long Bytes)> parts =
        [
            ("weights", plan.Weights), ("rounded copies", plan.RoundedWeights), ("gradients", plan.Gradients), ("optimizer", plan.OptimizerState),
            ("activations", plan.Activations), ("keys and values", plan.Cache),
        ];
        return $"{Quantity.Bytes(plan.Total)}: {string.Join(", ", parts.Where(part => part.Bytes > 0).Select(part => $"{part.Name} {Quantity.Bytes(part.Bytes)}"))}";
    }

    private static string Accumulated(RunConfiguration run) => run.Batch.Accumulation == 1 ? "" : Quantity.Text($", {run.Batch.Accumulation} micro-batches");

    private static string Shape(ModelConfiguration model, bool hasMtp)
    {
        string experts = model.ExpertCount == 0 ? "dense" : Quantity.Text($"{model.ExpertCount} experts, {model.ExpertsPerToken} per token");
        return Quantity.Text($"{model.LayerCount} layers, hidden size {model.HiddenSize}, {experts}, vocabulary {model.VocabularySize:N0}, {(hasMtp ? "with" : "without")} MTP head");
    }

    private static string Schedule(RunConfiguration run) => run.Schedule.Kind switch
    {
        ScheduleKind.WarmUpHoldDecay => Quantity.Text($"warm-up {run.Schedule.WarmUp}, hold, decay over the last {run.Schedule.Decay}"),
        ScheduleKind.Cosine => Quantity.Text($"warm-up {run.Schedule.WarmUp}, then half a cosine"),
        _ => Quantity.Text($"warm-up {run.Schedule.WarmUp}, then constant"),
    };
}
