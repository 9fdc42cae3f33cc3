namespace Mellum2.Managed.Training;

/// <summary>How products round their operands.</summary>
public enum TrainingPrecision
{
    /// <summary>Not at all.</summary>
    F32,

    /// <summary>Both operands to BF16.</summary>
    BF16,

    /// <summary>FP8 hybrid, tensorwise scales.</summary>
    FP8,
}

/// <summary>What is trained.</summary>
public enum TrainedPart
{
    /// <summary>Everything.</summary>
    Whole,

    /// <summary>The MTP head alone.</summary>
    MtpHead,
}

/// <summary>A step's results.</summary>
public sealed record StepResult(
    TrainingLosses Losses, double MainCrossEntropy, double MtpCrossEntropy, long Tokens, long CountedRows, long MtpRows, long MtpAccepted,
    IReadOnlyList<int[]> ExpertLoads);

/// <summary>Sums over a batch.</summary>
public sealed record EvaluationResult(double MainLoss, long Rows, long Correct, double MtpLoss, long MtpRows, long MtpAccepted);

/// <summary>Stands for members that the model is getting.</summary>
public static class ModelSeam
{
    /// <summary>A step.</summary>
    public static StepResult Step(this TrainingModel model, IReadOnlyList<TrainingBatch> batches, LossFactors factors)
    {
        model.ZeroGradients();
        TrainingLosses losses = batches.Select(batch => model.ForwardBackward(batch, factors)).ToArray()[^1];
        return new StepResult(losses, losses.Main, losses.Mtp / factors.Mtp, batches.Sum(batch => batch.Ids.Count), 0, 0, 0, []);
    }

    /// <summary>An evaluation.</summary>
    public static EvaluationResult Evaluate(this TrainingModel model, TrainingBatch batch)
    {
        TrainingLosses losses = model.ForwardBackward(batch, new LossFactors(1, 0, 0));
        long rows = batch.Labels.Count(label => label >= 0), mtp = batch.MtpLabels.Count(label => label >= 0);
        return new EvaluationResult(losses.Main * rows, rows, 0, losses.Mtp * mtp, mtp, 0);
    }

    /// <summary>All weights.</summary>
    public static IEnumerable<KeyValuePair<string, Engine.Tensor>> AllTensors(this TrainingModel model) =>
        model.Parameters.Select(parameter => new KeyValuePair<string, Engine.Tensor>(parameter.Name, parameter.Weight));
}
