namespace Mellum2.Managed.Training;

/// <summary>The factors of the losses.</summary>
/// <param name="Mtp">Of the MTP head's cross-entropy.</param>
/// <param name="Balance">Of every router's balance loss.</param>
/// <param name="RouterZ">Of every router's z-loss.</param>
public readonly record struct LossFactors(float Mtp, float Balance, float RouterZ);

/// <summary>The losses of a step, factors included.</summary>
/// <param name="Main">Mean cross-entropy of the trunk; 0 where it is frozen.</param>
/// <param name="Mtp">That of the MTP head, times its factor.</param>
/// <param name="Balance">The balance losses of the routers that are trained.</param>
/// <param name="RouterZ">Their z-losses.</param>
/// <param name="Extra">The sum of the <see cref="TrainingModel.LossTerms"/>.</param>
public readonly record struct TrainingLosses(double Main, double Mtp, double Balance, double RouterZ, double Extra = 0)
{
    /// <summary>What is minimised.</summary>
    public double Total => Main + Mtp + Balance + RouterZ + Extra;
}

/// <summary>What a step found out before its update.</summary>
/// <param name="Losses">The losses, factors included.</param>
/// <param name="MainCrossEntropy">Mean cross-entropy of the rows with a label; NaN without such rows, or where the trunk is frozen.</param>
/// <param name="MtpCrossEntropy">That of the MTP head, without its factor; NaN without rows or head.</param>
/// <param name="Tokens">The tokens of all micro-batches.</param>
/// <param name="CountedRows">The rows with a label.</param>
/// <param name="MtpRows">The rows of the MTP head with a label.</param>
/// <param name="MtpAccepted">Those where the arg max of its logits is the label: what greedy speculation would accept.</param>
/// <param name="ExpertLoads">For each router, the MTP head's last, how many (token, slot) pairs each expert got.</param>
public sealed record StepResult(
    TrainingLosses Losses, double MainCrossEntropy, double MtpCrossEntropy, long Tokens, long CountedRows, long MtpRows, long MtpAccepted,
    IReadOnlyList<int[]> ExpertLoads);

/// <summary>Sums over the rows of a batch, so that a caller can add over batches.</summary>
/// <param name="MainLoss">Σ cross-entropy of the trunk.</param>
/// <param name="Rows">The rows with a label.</param>
/// <param name="Correct">Those where the arg max of the logits is the label.</param>
/// <param name="MtpLoss">Σ cross-entropy of the MTP head.</param>
/// <param name="MtpRows">Its rows with a label.</param>
/// <param name="MtpAccepted">Those where the arg max of its logits is the label.</param>
public readonly record struct EvaluationResult(
    double MainLoss, long Rows, long Correct, double MtpLoss, long MtpRows, long MtpAccepted)
{
    /// <summary>Nats per token of the trunk; NaN without rows.</summary>
    public double MeanLoss => MainLoss / Rows;

    /// <summary>The share of tokens that greedy decoding would have got right.</summary>
    public double Accuracy => (double)Correct / Rows;

    /// <summary>Nats per token of the MTP head; NaN without rows.</summary>
    public double MeanMtpLoss => MtpLoss / MtpRows;

    /// <summary>The share of tokens that the head's greedy draft got right.</summary>
    public double MtpAcceptance => (double)MtpAccepted / MtpRows;

    /// <summary>Bits per byte of text.</summary>
    /// <param name="bytes">The bytes of the predicted tokens, control tokens by their text.</param>
    public double BitsPerByte(long bytes) => bytes == 0 ? double.NaN : MainLoss / Math.Log(2) / bytes;

    /// <summary>The sums of two results.</summary>
    public static EvaluationResult operator +(EvaluationResult a, EvaluationResult b) => Add(a, b);

    /// <inheritdoc cref="op_Addition"/>
    public static EvaluationResult Add(EvaluationResult a, EvaluationResult b) => new(
        a.MainLoss + b.MainLoss, a.Rows + b.Rows, a.Correct + b.Correct,
        a.MtpLoss + b.MtpLoss, a.MtpRows + b.MtpRows, a.MtpAccepted + b.MtpAccepted);
}
